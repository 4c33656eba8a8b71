#!/bin/sh
# Configures an unpacked Debian tree that is the root of this sandbox, and writes it as a tar: runs in the system
# itself, under fakeroot, with what rootstream_bst/debian/dpkg.py noted in /.rootstream. Arguments: the tar to write, or none;
# the list to write of what was made; for a run that is to be compared, a library that shows another time.
set -eu
umask 022
notes=/.rootstream
dpkg=/var/lib/dpkg
chosen=$notes/chosen
touch $notes/begun
cd /

# Before all programs, also those that a script starts with an environment of their own: who makes something owns it.
# They are read with each program that starts: from memory.
preload=/etc/ld.so.preload
mkdir /tmp/preloaded
libraries=
for library in "$notes/created/created.so" ${3:+"$3"} ${LD_PRELOAD:?}; do
	cp "$library" /tmp/preloaded/
	libraries="$libraries /tmp/preloaded/${library##*/}"
done
env | grep '^FAKEROOT' >$notes/variables
# shellcheck disable=SC2086  # several words
printf '%s\n' $libraries >$notes/preload
[ ! -e $preload ] || cat $preload >>$notes/preload
cp $notes/preload $preload
unset LD_PRELOAD

say() { echo "debian: $*"; }
fail() { echo "debian: $*" >&2; exit 2; }

# Owners and modes of the packages, which the store does not keep.
for list in "$notes"/owners/*; do
	[ ! -e "$list" ] || xargs -0 chown -h "${list##*/}" -- <"$list"
done
for list in "$notes"/modes/*; do
	[ ! -e "$list" ] || xargs -0 chmod "${list##*/}" -- <"$list"
done
# Folders of which all was left out: scripts put files into them, such as links to manuals.
xargs -0 -r mkdir -p -- <$notes/folders
chmod 0700 /root
chmod 1777 /tmp /var/tmp 2>/dev/null || :

# Nothing is started here.
policy=/usr/sbin/policy-rc.d
had_policy=
[ ! -e $policy ] || had_policy=yes
[ -n "$had_policy" ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod 0755 $policy; }

# Where a host key is, none is made.
if [ -d /etc/ssh ]; then
	touch /etc/ssh/ssh_host_rsa_key /etc/ssh/ssh_host_ecdsa_key /etc/ssh/ssh_host_ed25519_key
fi

export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes
export DPKG_ROOT= DPKG_ADMINDIR=$dpkg DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_DEBUG=0
export SYSTEMD_OFFLINE=1 LC_ALL=C.UTF-8 TMPDIR=/tmp HOME=/root
# TZ: what asks for the time zone finds the system's own.
unset DPKG_FORCE TZ || :

# What dpkg runs before it unpacks the packages of a list; base-passwd makes the accounts that others name.
preinsts() {
	while read -r package arch; do
		say "preparing $package"
		# debconf and others take the package's name from where dpkg has its control files meanwhile.
		mv $notes/control/"$package" $dpkg/tmp.ci
		DEBCONF_PACKAGE=$package DPKG_MAINTSCRIPT_PACKAGE=$package DPKG_MAINTSCRIPT_ARCH=$arch \
			DPKG_MAINTSCRIPT_NAME=preinst $dpkg/tmp.ci/preinst install </dev/null ||
			fail "$package: its preinst script failed"
		rm -r $dpkg/tmp.ci
	done
}
preinsts <$notes/preinst-first

run_dpkg() { dpkg --force-unsafe-io --force-confold --force-confdef "$@"; }
# Essential packages are used by others without saying so, these two first of all.
early="base-passwd base-files"
[ ! -s $chosen/preseed ] || early="$early debconf"
[ ! -e $dpkg/info/netbase.postinst ] || early="$early netbase"
# shellcheck disable=SC2086  # several words
run_dpkg --configure --force-depends $early
# The sandbox has a name that nothing looks up: what asks for it in full gets this one, and no error.
hosts="127.0.0.1 localhost.localdomain localhost $(cat /proc/sys/kernel/hostname)"
echo "$hosts" >>/etc/hosts
[ ! -s $chosen/preseed ] || debconf-set-selections $chosen/preseed
# The rest is unpacked, as it were, when what it pre-depends on is configured: accounts are made by programs with
# their own settings, in files that are all there.
# shellcheck disable=SC2046,SC2086  # several words
run_dpkg --configure --force-depends --no-triggers $(printf '%s\n' $early | grep -vxF -f - $notes/first)
preinsts <$notes/preinst-rest
if [ -d $notes/debs ]; then
	run_dpkg --unpack --force-depends $notes/debs/*.deb
fi
# As apt does before it unpacks packages: some have questions that only others ask.
if [ -e /usr/share/perl5/Debconf/Template.pm ]; then
	dpkg-query -W -f '${Essential} ${binary:Package}\n' >$notes/packages
	perl -MDebconf::Db -MDebconf::Template -e '
		Debconf::Db->load;
		while (<>) {
			/^no ([^:\n]+)(:\S+)?/ or next;
			my $file = "/var/lib/dpkg/info/$1" . ($2 // "") . ".templates";
			Debconf::Template->load($file, $1) if -e $file;
		}
		Debconf::Db->save' $notes/packages
fi
run_dpkg --configure -a
while read -r package trigger; do
	dpkg-trigger --no-await --by-package="$package" "$trigger"
done <$notes/triggers
run_dpkg --triggers-only -a
run_dpkg --configure -a

audit=$(dpkg --audit)
[ -z "$audit" ] || fail "not everything could be configured: $audit"
left=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | grep -v '^installed ' || :)
[ -z "$left" ] || fail "not configured: $left"

# Wired interfaces by DHCP, where systemd can do that.
if [ "$(cat $chosen/network)" = dhcp ] && [ -e /usr/lib/systemd/system/systemd-networkd.service ]; then
	cat >/etc/systemd/network/80-dhcp.network <<'END'
[Match]
Name=en* eth*

[Network]
DHCP=yes
END
	systemctl --quiet --no-reload enable systemd-networkd.service
fi

[ -n "$had_policy" ] || rm -f $policy
sed -i "/^$hosts\$/d" /etc/hosts
[ -s /etc/hosts ] || rm /etc/hosts

# What is secret or one machine's own never leaves the sandbox.
rm -f /etc/ssh/ssh_host_* /var/lib/systemd/random-seed /var/lib/systemd/credential.secret \
	/var/cache/debconf/passwords.dat*
rm -f /etc/machine-id /var/lib/dbus/machine-id
while read -r path; do
	[ ! -f "$path" ] || : >"$path"
done <$chosen/empty
while read -r path; do
	[ -e "$path" ] || fail "identities: $path: it is not in this root"
	rm -r "$path"
done <$chosen/remove

sort -rz $notes/folders | xargs -0 -r rmdir --ignore-fail-on-non-empty -- 2>/dev/null || :

# What is left is what packages brought.
# shellcheck disable=SC2086  # several words
left=$(printf '%s\n' $libraries | grep -vxF -f - $preload || :)
if [ -n "$left" ]; then printf '%s\n' "$left" >$preload; else rm -f $preload; fi

# Files and links that are new or changed, for the comparison with another run; a NUL behind each.
new() {
	find . -xdev \( -path ./.rootstream -o -path './buildstream*' -o -path ./run -o -path ./tmp \) -prune -o \
		\( -newer $notes/begun -o -cnewer $notes/begun \) "$@"
}
{ new -type f -print0 | xargs -0 -r sha256sum -z; new -type l -printf '%l  %p\0'; } >"$2"
[ "$1" != none ] || exit 0

say "writing the tree"
LD_PRELOAD=$libraries tar --create --file "$1" --format=pax --numeric-owner --xattrs --xattrs-include='security.capability' \
	--exclude=./.rootstream --exclude='./buildstream*' --exclude='./proc/*' --exclude='./sys/*' \
	--exclude='./dev/*' --exclude='./tmp/*' --exclude='./run/*' \
	--pax-option=delete=atime,delete=ctime --sort=name .
