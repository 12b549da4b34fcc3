# SPDX-License-Identifier: Apache-2.0
# The ways out that docs/limits.md has where a volume differs from a local one. Tools that the tests' image lacks run on
# the host, on the directory that the container sees.

load lib
load pools

setup_file() { prepare_pools btrfs; }

# mapped FILE: what a program sees of it that mapped it before "new" was written into it
mapped() {
  /usr/bin/python3 - "$1" <<'END'
import mmap, os, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 3, prot=mmap.PROT_READ) as mapping:
    assert mapping[:] == b"old"
    with open(sys.argv[1], "r+b") as writer:
        writer.write(b"new")
    print(mapping[:].decode())
END
}

# has_handle FILE: as an NFS server needs one
has_handle() {
  /usr/bin/python3 - "$1" <<'END'
import ctypes, sys
handle, mount = ctypes.create_string_buffer(b"\x80\0\0\0", 136), ctypes.c_int()
sys.exit(ctypes.CDLL(None).name_to_handle_at(-100, sys.argv[1].encode(), handle, ctypes.byref(mount), 0) != 0)
END
}

flags() { (cd "$(at "$1")" && lsattr -d "${@:2}" | awk '{ gsub("[^ia]", "", $1); print $1, $2 }'); }

old_file() {
  volume db
  run_in db 'printf old >file'
  snapshot db seed
}

@test "a reader that maps a file after somebody opened it for writing sees every write" {
  old_file
  start reader -v seed:/data
  inside reader ': >>/data/file'
  prints new mapped "$(at reader)/file"
}

@test "on btrfs a reader sees every write in any case" {
  DRIVER=snapclone-btrfs old_file
  start reader -v seed:/data
  prints new mapped "$(at reader)/file"
}

@test "a directory with a path that is too long for overlayfs is moved by mv" {
  local long
  long=$(printf '%0100d/%0100d/%0100d' 1 2 3)
  volume db
  run_in db "mkdir -p $long/mine && echo here >$long/mine/file"
  snapshot db seed
  prints here run_in seed "mv $long/mine moved && ! test -e $long/mine && cat moved/file"
}

@test "without the check of devices an incremental archive of a volume has what is new" {
  volume db
  run_in db 'mkdir dir && echo old >dir/file'
  sleep 1 # GNU tar compares whole seconds
  start one -v db:/data
  tar -C "$(at one)" --listed-incremental state --no-check-device -cf 1.tar dir
  end one
  start other -v seed:/data --volume-driver snapclone # may take the device number that the volume had
  run_in db 'echo new >dir/added'
  start two -v db:/data
  tar -C "$(at two)" --listed-incremental state --no-check-device -cf 2.tar dir
  prints $'dir/\ndir/added' tar -tf 2.tar
}

@test "flags of chattr stay in a volume that is frozen while a container has it" {
  volume db
  start user -v db:/data
  touch "$(at user)"/{fixed,grows}
  chattr +i "$(at user)/fixed"
  chattr +a "$(at user)/grows"
  docker pause user
  snapshot db seed -o live=true
  docker unpause user
  prints $'i fixed\na grows' flags user fixed grows
  docker restart -t 0 user
  prints $'i fixed\na grows' flags user fixed grows
  chattr -ia "$(at user)"/{fixed,grows}
}

@test "on btrfs flags, hard links, handles of files and overlays are those of a local volume" {
  local file
  export DRIVER=snapclone-btrfs
  volume db
  start writer -v db:/data
  file=$(at writer)/fixed
  run_in db 'echo old >one && ln one two && touch fixed'
  chattr +i "$file"
  snapshot db seed
  chattr -i "$file"
  start reader -v seed:/data --cap-add SYS_ADMIN
  prints 'i fixed' flags reader fixed
  inside reader 'echo new >/data/one'
  prints new inside reader 'cat /data/two'
  has_handle "$(at reader)/one"
  inside reader 'cd /data && mkdir low up work all && mount -t overlay -o lowerdir=low,upperdir=up,workdir=work x all && umount all'
  chattr -i "$(at reader)/fixed"
  end reader writer
  start reader -v seed:/data
  prints 'i fixed' flags reader fixed
}
