"""What the reference page of `system.yaml` has besides tables: its introduction, an example for each section."""

from __future__ import annotations

INTRODUCTION = """\
<!-- Written by `python -m rootstream.description.reference`; edit the models or texts there, not this page. -->

# system.yaml

A project is described by one file, `system.yaml`, written in YAML 1.2. Paths in it are relative to its folder and
may not lead out of it. All errors are reported at once, each with its line. `rootstream schema` prints a JSON
Schema for editors.

- A key without a value (`machine:`) is an empty mapping or list, or none if the default of the key is *none*.
- A choice that needs no settings can be written as its name alone: `root: busybox` is short for
  `root: {busybox: {}}`, and `- tar` for `- tar: {}`. Layers always need a value.
- `yes` and `no` are strings in YAML 1.2: write `true` and `false`. Text that looks like a number needs quotes:
  `"1.10"`.
- Anchors, aliases and merge keys (`&a`, `*a`, `<<: *a`) are supported.

| value | format |
|---|---|
| size | `512M`: a number with K, M, G or T (powers of 1024); without a unit, bytes |
| duration | `90s`: a number with ms, s, m or h; without a unit, seconds |
| mode | `0755` or `4755`: octal digits, quoted or not |
"""

VARIANTS = """\
A variant is its system with some changes. It is built, run and verified as `SYSTEM@VARIANT`, and has the same keys
as a system:

- a mapping is merged with the system's, key by key;
- any other value, including a list, replaces the system's;
- a different choice replaces the system's entirely: `root: {elements: ...}` keeps nothing of
  `root: {busybox: ...}`;
- `kernel: null` removes a key whose default is *none*;
- finally, lists below `add` are appended to those of the system.

The resulting system is validated as a whole. An error in the variant's own lines is reported there; an error that
only occurs in the combination names the variant.
"""

# The mappings whose keys are names given by the user, and choices that several keys have.
NAMED = {
    "systems": "mapping: names to [systems](#a-system)",
    "variants": "mapping: names to [variants](#variants)",
    "machines": "mapping: names to [machines](#a-machine)",
}
# What a mapping of names holds, where it has a section.
OF_NAMES = {"systems": "A system", "machines": "A machine"}
SHARED = {"source": "Source code to build."}

EXAMPLES = {
    "The file": """\
debian:
  suites: [trixie]
systems:
  hello:
    root: busybox
    kernel: {}
    images: [initramfs]
""",
    "A machine": """\
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    address: 10.8.30.202
    system_mac: "52:54:00:12:34:57"    # the booted system has another address
    system_address: 10.8.30.13
    system: hello
    kernel_args: hostname={name}
    power: {qemu: {bridge: br0}}
""",
    "power": """\
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    system: hello
    power: none
""",
    "power: none": """\
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    system: hello
    power: {none: {}}
""",
    "power: command": """\
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    system: hello
    power:
      command:
        on: [wakeonlan, "52:54:00:12:34:56"]
        off: [ssh, root@10.8.30.13, poweroff]
""",
    "power: qemu": """\
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    system: hello
    power: {qemu: {bridge: br0, memory: 1G, nic: e1000}}
""",
    "ssh": """\
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    system: hello
    ssh: {key_file: secrets/host_key}
""",
    "power: ipmi": """\
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    system: hello
    power: {ipmi: {address: 10.8.30.3, user: root, password_file: secrets/host_key}}
""",
    "power: redfish": """\
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    system: hello
    power: {redfish: {url: "https://10.8.30.3", user: root, password_file: secrets/host_key}}
""",
    "power: tasmota": """\
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    system: hello
    power: {tasmota: {url: "http://10.8.30.40", outlet: 2, password_file: secrets/host_key}}
""",
    "serve": """\
serve:
  unknown: menu
  router: 10.8.30.1
  keep: 10
""",
    "range": """\
serve:
  range: {first: 10.8.30.220, last: 10.8.30.240}
""",
    "cache": """\
cache: {url: "https://cache.example:443"}
systems:
  hello: {root: busybox, images: [tar]}
""",
    "debian": """\
debian:
  suites: [trixie, sid]
  mirrors: [file:///srv/mirror]
  packages: [libssl-dev]
systems:
  hello: {root: busybox, images: [tar]}
""",
    "A system": """\
systems:
  hello:
    description: A PC that says hello
    arch: x86_64
    root: busybox
    kernel: {fragments: [linux.config]}
    layers:
      - overlay: overlay/
      - hostname: hello
    images: [initramfs, disk]
    machine: {memory: 128M}
    checks:
      - console: "hello login:"
""",
    "product": """\
product:
  name: Example Gateway
  version: "1.4"
  supplier: Example Ltd
  license: LicenseRef-proprietary
""",
    "licenses": """\
licenses:
  deny: [AGPL-*, GPL-3.0-*]
  unknown: deny
  exceptions:
    - {component: bash, license: GPL-3.0-*, reason: for developers only}
""",
    "exceptions": """\
licenses:
  allow: [MIT, Apache-2.0]
  exceptions:
    - {component: linux, license: GPL-2.0-only, reason: its source is published}
    - {component: agent, unknown: true, reason: asked for}
""",
    "audit": """\
audit:
  fail_on: high
  decisions:
    - vulnerability: CVE-2026-1234
      component: busybox
      justification: vulnerable_code_not_present
      reason: the applet is not built in
      author: Jane Doe
      date: "2026-12-01"
""",
    "decisions": """\
audit:
  decisions:
    - vulnerability: CVE-2026-5678
      status: under_investigation
      reason: reported to upstream
      author: Jane Doe
      date: "2026-12-01"
      until: "2026-12-31"
""",
    "audit: exceptions": """\
audit:
  exceptions:
    - {vulnerability: CVE-2026-5678, component: zlib, reason: r, author: Jane Doe, until: "2027-01-31"}
""",
    "budgets": """\
budgets:
  images: {disk: 200M, "initramfs*": 50M}
  root: 300M
  components: {linux: 20M, "python3*": 60M}
""",
    "root": "root: busybox",
    "root: busybox": """\
root:
  busybox:
    fragments: [busybox.config]
    console: [console, ttyS1]
    network: none
""",
    "root: buildroot": """\
root:
  buildroot:
    tree: {git: {url: "https://git.example.org/buildroot.git", track: 2026.02.3}}
    defconfig: hello_defconfig
    fragments: [debug.config]
    configs:
      linux: {fragments: [linux.config]}
kernel: null
images: [kernel, initramfs]
""",
    "tree": """\
root:
  buildroot:
    tree: {local: ../buildroot}
kernel: null
images: [files]
""",
    "defconfig": """\
root:
  buildroot:
    tree: {local: ../buildroot}
    defconfig: {defconfig: qemu_x86_64_defconfig}
kernel: null
images: [files]
""",
    "configs": """\
root:
  buildroot:
    tree: {local: ../buildroot}
    configs:
      busybox: {fragments: [busybox.config]}
kernel: null
images: [files]
""",
    "linux": """\
root:
  buildroot:
    tree: {local: ../buildroot}
    configs:
      linux: {base: {file: linux.config}, fragments: [debug.config]}
kernel: null
images: [files]
""",
    "scripts": """\
root:
  buildroot:
    tree: {local: ../buildroot}
    scripts: {post_image: [debug.config]}
kernel: null
images: [files]
""",
    "layers: sshd": """\
root: {buildroot: {tree: {local: ../buildroot}}}
kernel: null
images: [files]
layers:
  - sshd: {root: prohibit-password, passwords: false}
""",
    "layers: services": """\
root: {buildroot: {tree: {local: ../buildroot}}}
kernel: null
images: [files]
layers:
  - services:
      - {name: agent, command: "agent --port 9999", restart: always}
""",
    "layers: packages": """\
root: {buildroot: {tree: {local: ../buildroot}}}
kernel: null
images: [files]
layers:
  - packages:
      - {name: agent, source: overlay, build: autotools, depends: [zlib], options: [--disable-nls]}
""",
    "images: files": """\
root: {buildroot: {tree: {local: ../buildroot}}}
kernel: null
images:
  - files: {names: {rootfs.cpio.xz: initrd.mistify, bzImage: bzImage.mistify}}
""",
    "root: debian": """\
root:
  debian:
    suite: trixie
    packages: [systemd-sysv, udev, openssh-server, sudo]
    drop: [/usr/lib/udev/hwdb.bin]
    mask: [apt-daily.timer]
kernel: {}
images: [kernel, initramfs]
""",
    "repositories": """\
root:
  debian:
    packages: [systemd-sysv, udev, login, vendor-agent]
    repositories:
      vendor: {url: "https://apt.example.org/debian", suites: [stable], key: keys/vendor.asc}
images: [tar]
""",
    "apt": """\
root:
  debian:
    apt: {url: "https://mirror.example.org/debian", security: "https://mirror.example.org/debian-security"}
""",
    "layers: python": """\
root: {debian: {packages: [systemd-sysv, python3]}}
images: [tar]
layers:
  - python:
      install: [ironic-python-agent==13.0.0]
      from_source: [docopt]
      git: [{name: my-manager, url: "https://git.example.org/my-manager.git", track: main, version: "1.0"}]
""",
    "git": """\
root: {debian: {packages: [python3]}}
kernel: null
images: [tar]
layers:
  - python:
      git: [{name: my-manager, url: "https://git.example.org/my-manager.git", track: main, version: "1.0"}]
""",
    "root: elements": """\
root:
  elements: {target: images/base.bst}
""",
    "source": """\
kernel:
  source: debian
""",
    "source: debian": """\
kernel:
  source: {debian: {package: linux, suite: trixie}}
""",
    "source: tar": """\
kernel:
  source: {tar: {url: "https://mirror.example.org/linux-6.12.tar.xz"}}
""",
    "source: git": """\
kernel:
  source: {git: {url: "https://git.example.org/linux.git", track: v6.12}}
""",
    "base": """\
kernel:
  base: {defconfig: x86_64_defconfig}
""",
    "kernel": """\
kernel:
  base: tinyconfig
  fragments: [linux.config]
  optional: [CONFIG_DEBUG_INFO]
  modules: true
""",
    "kernel: debian": """\
kernel:
  debian: {package: linux-image-cloud-amd64, modules: [virtio_net, ext4]}
images: [kernel, initramfs]
""",
    "images: initrd": """\
kernel: {debian: linux-image-cloud-amd64}
images: [kernel, initrd, ext]
""",
    "layers": """\
layers:
  - overlay: overlay/
  - hostname: hello
  - issue: |
      Hello on \\l
  - device_table: devices.txt
""",
    "layers: users": """\
layers:
  - users:
      - name: admin
        groups: [wheel]
        password: {hash: "$6$salt$hash"}
        authorized_keys: [keys/admin.pub]
        sudo: true
      - {name: web, system: true, home: /srv/www, shell: /bin/false}
""",
    "password": """\
layers:
  - root_login: {password: {hash: "$6$salt$hash"}}
""",
    "layers: groups": """\
layers:
  - groups:
      - {name: gpio, gid: 200, system: true}
""",
    "layers: root_login": """\
layers:
  - root_login: {password: locked, authorized_keys: [keys/admin.pub]}
""",
    "layers: secrets": """\
layers:
  - secrets:
      - {path: /etc/ssh/ssh_host_ed25519_key, file: secrets/host_key}
""",
    "layers: permissions": """\
layers:
  - permissions:
      - {path: /bin/busybox, mode: 4755}
      - {path: /bin/ping, capabilities: cap_net_raw+ep}
      - {path: /srv/www, owner: web, group: web, recursive: true}
""",
    "layers: devices": """\
layers:
  - devices:
      - {path: /dev/console, type: char, major: 5, minor: 1, mode: 0600}
      - {path: /run/commands, type: fifo, group: wheel, mode: 0660}
""",
    "images": """\
images: [kernel, initramfs, disk]
""",
    "images: uki": """\
images:
  - initramfs
  - uki: {kernel_args: console=ttyS0}
""",
    "images: iso": """\
images:
  - initramfs
  - iso: {kernel_args: console=ttyS0, label: RESCUE}
""",
    "images: qcow2": """\
kernel: {debian: linux-image-cloud-amd64}
images:
  - qcow2: {table: gpt, kernel_args: console=ttyS0, compression: zstd}
machine: {firmware: uefi}
""",
    "images: kernel": """\
images:
  - kernel: {name: vmlinuz}
""",
    "images: initramfs": """\
images:
  - initramfs: {compression: xz, level: 9}
""",
    "images: ext": """\
images:
  - ext: {type: ext2, size: 64M, gzip: true}
""",
    "images: squashfs": """\
images:
  - squashfs: {compression: xz}
""",
    "images: erofs": """\
images:
  - erofs: {compression: zstd}
""",
    "images: tar": """\
images:
  - tar: {compression: zstd}
""",
    "images: disk": """\
images:
  - initramfs
  - disk:
      kernel_args: console=ttyS0 quiet
      initramfs: true
      name: pc.img
""",
    "images: capsule": """\
arch: riscv64
images:
  - capsule: {payload: overlay}
machine: {boot: [capsule]}
""",
    "images: firmware": """\
arch: riscv32
images: [initramfs, firmware]
""",
    "images: uimage": """\
images:
  - ext: {type: ext2, gzip: true}
  - uimage
  - uimage: {type: ramdisk, title: Root in memory}
""",
    "partitions": """\
images:
  - disk:
      partitions:
        - {filesystem: vfat, mount: /boot, size: 64M}
        - {filesystem: ext4, mount: /}
        - {filesystem: swap, size: 256M}
""",
    "machine": """\
machine:
  memory: 512M
  boot: [initramfs]
  timeout: 3m
""",
    "disks": """\
machine:
  disks: [{size: 1G}, {size: 64M, bus: ide}]
""",
    "nics": """\
machine:
  nics:
    - {model: e1000, mac: "52:54:00:12:34:56", forward: {2222: 22, 8080: 80}}
    - {}
""",
    "checks": """\
checks:
  - console: "login:"
  - command: uname -m
    output: ^x86_64$
  - poweroff: poweroff
""",
    "checks: console": """\
checks:
  - {console: "Linux version 6[.]", regex: true, within: 20s}
""",
    "checks: login": """\
checks:
  - login: {user: root, password: guess, refused: true}
    name: root cannot log in
""",
    "login": """\
checks:
  - login: {user: admin, password: secret}
""",
    "checks: command": """\
checks:
  - command: test -d /srv/missing
    exit: 1
""",
    "checks: file": """\
checks:
  - {file: /etc/shadow, mode: "0640", owner: "root:shadow"}
  - {file: /etc/os-release, content: "^ID=debian$"}
""",
    "checks: port": """\
checks:
  - {port: 22, within: 10s}
""",
    "checks: http": """\
checks:
  - http: {}
    within: 10s
""",
    "http": """\
checks:
  - http: {path: /status, port: 8080, body: '"ready": *true'}
""",
    "checks: poweroff": """\
checks:
  - poweroff: poweroff
""",
    "variants": """\
systems:
  hello:
    root: busybox
    kernel: {fragments: [linux.config]}
    images: [initramfs]
    machine: {memory: 128M}
    variants:
      debug:                                  # built as hello@debug
        machine: {kernel_args: loglevel=7}    # memory stays
        add:
          kernel: {fragments: [debug.config]} # after linux.config
          layers:
            - hostname: debug
      pc:
        images: [disk]                        # instead of the initramfs
""",
}
