#!/bin/sh
# Runs a command as a container of the bento would run it: nothing of this machine but its system libraries and Python,
# all of it read-only but the folders that are named, as a user without rights, in a file system of its own:
#
#   unshare --mount sh container.sh ROOT PYTHON VENV BENTO SCRATCH WRITABLE USER COMMAND...
#
# ROOT is an empty folder to build it in, WRITABLE a list such as "/tmp /var/log/filmgate", which SCRATCH keeps.
set -eu
root=$1 python=$2 venv=$3 bento=$4 scratch=$5 writable=$6 user=$7
shift 7

mount -t tmpfs -o mode=755 none "$root"
show() {  # SOURCE TARGET: bind a folder read-only
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mount -o remount,bind,ro "$root$2"
}
for folder in /usr /bin /lib /lib64 /etc; do
    [ ! -d "$folder" ] || show "$folder" "$folder"
done
show "$python" "$python"
show "$venv" /app/.venv
show "$bento" /home/bentoml/bento
for folder in $writable; do
    mkdir -p "$root$folder" "$scratch$folder"
    chmod 1777 "$scratch$folder"
    mount --bind "$scratch$folder" "$root$folder"
done
mkdir -p "$root/proc" "$root/dev"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,ro "$root"
exec /usr/sbin/chroot "$root" /usr/bin/setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs \
    --bounding-set -all --inh-caps -all "$@"
