"""A system that is told another hardware address than the firmware has, and arguments with words filled in."""

from __future__ import annotations

from tests.netboot.lab import Make

MACHINE = """
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    address: 10.0.2.202
    {second}
    system_address: 10.0.2.13
    system: hello
    kernel_args: lab.who={{name}} lab.from={{server}} lab.is={{system_address}}
    phone_home: true
    power: {{qemu: {{bridge: br0, memory: 256M}}}}
"""
CHECK = """\
      - command: cat /proc/cmdline
        output: lab.who=box lab.from=10.0.2.1 lab.is=10.0.2.13
      - command: cat /sys/class/net/eth0/address
        output: "{mac}"
      - poweroff: poweroff
"""


def booted(make_lab: Make, second: str, mac: str) -> None:
    lab = make_lab(MACHINE.format(second=second))
    path = lab.project / "system.yaml"
    path.write_text(path.read_text().replace("      - poweroff: poweroff\n", CHECK.format(mac=mac)))
    lab.serve()
    done = lab.rootstream("boot", "box", "--verify")
    assert done.returncode == 0, done.stdout + done.stderr + lab.said()
    (boot,) = lab.boots()
    assert (boot["outcome"], boot["address"]) == ("passed", "10.0.2.13")
    assert {"dhcp", "system-dhcp", "phone-home"} <= boot["stages"].keys()


def test_the_second_hardware_address_has_an_address_of_its_own(make_lab: Make) -> None:
    booted(make_lab, 'system_mac: "52:54:00:12:34:57"', "52:54:00:12:34:57")


def test_one_card_has_an_address_for_its_firmware_and_one_for_the_system(make_lab: Make) -> None:
    booted(make_lab, "timeout: 300s", "52:54:00:12:34:56")
