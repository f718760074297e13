# SPDX-License-Identifier: Apache-2.0
"""A container as root can have one: its own mounts and host name, over an overlay of the host's file system."""

from __future__ import annotations

from pathlib import Path

# Arguments: work folder, image's files or "", file with mounts, working directory, uid:gid or "", host name, command…
SETUP = r"""set -e
work=$1 image=$2 mounts=$3 folder=$4 user=$5
hostname "$6"
shift 6
chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot) # a container's PATH need not hold it
mount -t tmpfs -o mode=755 tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
root=$work/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$root"
[ -z "$image" ] || cp -a "$image/." "$root/"
chmod 755 "$root" # the folder's own rights were copied too
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in null zero full random urandom tty; do
  : > "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir -m 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
while IFS='	' read -r source target readonly; do
  target=$("$chroot" "$root" readlink -m "$target") # /var/run -> /run must not lead out to the host's
  if [ -d "$source" ]; then
    mkdir -p "$root$target"
  else
    mkdir -p "$(dirname "$root$target")"
    [ -e "$root$target" ] || : > "$root$target"
  fi
  mount --bind "$source" "$root$target"
  [ -z "$readonly" ] || mount -o remount,ro,bind "$root$target"
done < "$mounts"
mkdir -p "$root$folder"
exec "$chroot" ${user:+--userspec=$user} "$root" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$folder" "$@"
"""

Mount = tuple[Path, str, bool]


def isolated(
    command: list[str], *, place: Path, image: Path | None, mounts: list[Mount], folder: str, user: str, host: str
) -> list[str]:
    """Return the command that runs ``command`` in a container.

    Args:
        command: What to run.
        place: An empty folder for the container's files.
        image: Files to copy over the root.
        mounts: Source, target, and whether it is read only.
        folder: Working directory; made where it is not there.
        user: ``uid:gid``; empty for root.
        host: Host name.
    """
    (place / "root").mkdir(parents=True, exist_ok=True)
    lines = [f"{source}\t{target}\t{'ro' if readonly else ''}\n" for source, target, readonly in mounts]
    listed = place / "mounts"
    listed.write_text("".join(sorted(lines, key=lambda line: line.split("\t")[1])))
    setup = [str(place / "root"), str(image or ""), str(listed), folder, user, host]
    return ["unshare", "-mu", "sh", "-c", SETUP, "sh", *setup, *command]
