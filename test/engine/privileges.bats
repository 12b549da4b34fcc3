# SPDX-License-Identifier: Apache-2.0
# What the plugin may do: capabilities and system calls.

load lib
load outside

# The privileges of every thread of a process, each only once.
privileges() { cat /proc/"$1"/task/*/status | grep -E '^(Cap...|NoNewPrivs|Seccomp):' | sort -u; }

# chown, dac_override, dac_read_search, fowner, fsetid, sys_admin, mknod and setfcap; filter mode
least() {
  cat <<'END'
CapAmb:	0000000000000000
CapBnd:	000000008820001f
CapEff:	000000008820001f
CapInh:	0000000000000000
CapPrm:	000000008820001f
NoNewPrivs:	1
Seccomp:	2
END
}

threads() { find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l; }

uses_it() {
  ask_it Create '{"Name":"db"}' | grep -F '"Err":""'
  ask_it Mount '{"Name":"db","ID":"id"}' | grep -F '"Err":""'
  ask_it Unmount '{"Name":"db","ID":"id"}' | grep -F '"Err":""'
}

needed=+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+mknod,+setfcap,+sys_admin

@test "every thread of the plugin has the capabilities that it needs, no others, and a filter of system calls" {
  local pid
  tree_in db
  snapshot db seed
  start box -v seed:/data
  pid=$(plugin_process)
  [[ $(threads "$pid") -gt 30 ]]
  least | diff - <(privileges "$pid")
}

@test "so has every thread of the program outside a plugin" {
  serve it
  uses_it
  # shellcheck disable=SC2154 # outside.bash sets it
  [[ $(threads "$served") -gt 30 ]]
  least | diff - <(privileges "$served")
}

@test "it works with nothing but these, and without the right to give up more" {
  starter=(setpriv --inh-caps=-all --bounding-set="-all,$needed")
  serve it
  uses_it
  least | diff - <(privileges "$served")
}

@test "a capability that is needed and missing is named at the start, with what it is for" {
  local limited=(setpriv --inh-caps=-all --bounding-set)
  refused 'it lacks capabilities that it needs: CAP_MKNOD (to make device files).' \
    "${limited[@]}" "-all,${needed/+mknod,/}" "$(program)" --socket x.sock --pool pool
  refused 'CAP_CHOWN (to give files their owners), CAP_SYS_ADMIN (to mount).' \
    "${limited[@]}" -chown,-sys_admin "$(program)" --socket x.sock --pool pool
  [[ ! -e pool && ! -e x.sock ]]
}

@test "where the kernel takes no filter of system calls it says so and works" {
  # shellcheck disable=SC2034 # outside.bash uses it
  starter=(without_filter.py)
  serve it
  grep -F 'warning: no system call will be refused: cannot load a filter of system calls: Invalid argument' it.log
  uses_it
}
