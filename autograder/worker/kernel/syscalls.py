"""Which system calls a worker may make: each as `name:number on x86_64:number on aarch64`.

What stands nowhere here is answered as a kernel without the call would (ENOSYS), and so is every call
that a future kernel adds: the C library then takes an older way. That is why `clone3`, `openat2`,
`seccomp` and `landlock_*` are missing: their arguments lie in memory, where a filter cannot look, or
nobody honest needs them. A `-` means that the architecture has no such call.
"""

from __future__ import annotations

from typing import NamedTuple


class Call(NamedTuple):
    """A system call's numbers; None where an architecture does not have it."""

    x86_64: int | None
    aarch64: int | None


def _table(text: str) -> dict[str, Call]:
    calls = {}
    for line in text.strip().splitlines():
        for word in [] if line.startswith("#") else line.split():
            name, *numbers = word.split(":")
            calls[name] = Call(*(None if number == "-" else int(number) for number in numbers))
    return calls


ALLOWED = _table("""
# memory
brk:12:214 mmap:9:222 munmap:11:215 mremap:25:216 mprotect:10:226 madvise:28:233 msync:26:227
mincore:27:232 mlock:149:228 mlock2:325:284 munlock:150:229 mlockall:151:230 munlockall:152:231
mbind:237:235 get_mempolicy:239:236 set_mempolicy:238:237 membarrier:324:283
# reading files, and their names
access:21:- faccessat:269:48 faccessat2:439:439 stat:4:- lstat:6:- fstat:5:80 newfstatat:262:79
statx:332:291 statfs:137:43 fstatfs:138:44 readlink:89:- readlinkat:267:78 getcwd:79:17 chdir:80:49
fchdir:81:50 getdents:78:- getdents64:217:61 lseek:8:62 read:0:63 pread64:17:67 readv:19:65
preadv:295:69 preadv2:327:286 fadvise64:221:223 readahead:187:213 getxattr:191:8 lgetxattr:192:9
fgetxattr:193:10 listxattr:194:11 llistxattr:195:12 flistxattr:196:13
# writing files: where, is for Landlock and the mounts to say
creat:85:- write:1:64 pwrite64:18:68 writev:20:66 pwritev:296:70 pwritev2:328:287 ftruncate:77:46
fallocate:285:47 fsync:74:82 fdatasync:75:83 sync_file_range:277:84 sendfile:40:71
copy_file_range:326:285 mkdir:83:- mkdirat:258:34 rmdir:84:- unlink:87:- unlinkat:263:35 rename:82:-
renameat:264:38 renameat2:316:276 link:86:- linkat:265:37 symlink:88:- symlinkat:266:36 flock:73:32
umask:95:166
# descriptors and waiting
close:3:57 close_range:436:436 dup:32:23 dup2:33:- dup3:292:24 pipe:22:- pipe2:293:59 poll:7:-
ppoll:271:73 select:23:- pselect6:270:72 epoll_create:213:- epoll_create1:291:20 epoll_ctl:233:21
epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284:- eventfd2:290:19 signalfd:282:-
signalfd4:289:74 timerfd_create:283:85 timerfd_settime:286:86 timerfd_gettime:287:87
# the connection to the grader, which is there already
sendmsg:46:211 recvmsg:47:212 recvfrom:45:207 shutdown:48:210 getsockname:51:204 getpeername:52:205
getsockopt:55:209
# time
time:201:- gettimeofday:96:169 clock_gettime:228:113 clock_getres:229:114 clock_nanosleep:230:115
nanosleep:35:101 times:100:153 alarm:37:- getitimer:36:102 setitimer:38:103
# threads of this process
futex:202:98 futex_waitv:449:449 set_robust_list:273:99 rseq:334:293 set_tid_address:218:96 exit:60:93
exit_group:231:94 sched_yield:24:124 sched_getaffinity:204:123 sched_getparam:143:121
sched_getscheduler:145:120 sched_getattr:315:275 sched_get_priority_max:146:125
sched_get_priority_min:147:126 sched_rr_get_interval:148:127 getcpu:309:168 arch_prctl:158:-
# signals of this process
rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigpending:127:136 rt_sigsuspend:130:133
rt_sigtimedwait:128:137 rt_sigreturn:15:139 sigaltstack:131:132 pause:34:- restart_syscall:219:128
wait4:61:260 waitid:247:95
# questions about itself and the machine
getpid:39:172 gettid:186:178 getppid:110:173 getpgrp:111:- getpgid:121:155 getsid:124:156 getuid:102:174
geteuid:107:175 getgid:104:176 getegid:108:177 getresuid:118:148 getresgid:120:150 getgroups:115:158
capget:125:90 getrlimit:97:163 getrusage:98:165 getpriority:140:141 ioprio_get:252:31 sysinfo:99:179
uname:63:160 getrandom:318:278
""")

# Allowed with some arguments only: `seccomp.py` says which.
CHECKED = _table("""
clone:56:220 prlimit64:302:261 prctl:157:167 tgkill:234:131 sendto:44:206 ioctl:16:29 fcntl:72:25
open:2:- openat:257:56 sched_setaffinity:203:122
""")

# Answered with EPERM, so that a student reads "Operation not permitted".
REFUSED = _table("""
# other processes and programs
fork:57:- vfork:58:- execve:59:221 execveat:322:281 ptrace:101:117 process_vm_readv:310:270
process_vm_writev:311:271 process_madvise:440:440 process_mrelease:448:448 kcmp:312:272
pidfd_open:434:434 pidfd_getfd:438:438 pidfd_send_signal:424:424 kill:62:129 tkill:200:130
rt_sigqueueinfo:129:138 rt_tgsigqueueinfo:297:240 setpgid:109:154 setsid:112:157
# timers that send any signal, SIGKILL too: which one lies in memory
timer_create:222:107 timer_settime:223:110 timer_gettime:224:108 timer_getoverrun:225:109
timer_delete:226:111
# their share of the machine: these take the number of any process of the same user
setrlimit:160:164 setpriority:141:140 ioprio_set:251:30 sched_setscheduler:144:119
sched_setparam:142:118 sched_setattr:314:274 migrate_pages:256:238 move_pages:279:239
# the network, and sockets of any kind
socket:41:198 socketpair:53:199 bind:49:200 listen:50:201 connect:42:203 accept:43:202 accept4:288:242
setsockopt:54:208 sendmmsg:307:269 recvmmsg:299:243
# memory that RLIMIT_AS does not count
memfd_create:319:279 memfd_secret:447:447 shmget:29:194 shmat:30:196 shmctl:31:195 shmdt:67:197
semget:64:190 semop:65:193 semtimedop:220:192 semctl:66:191 msgget:68:186 msgsnd:69:189 msgrcv:70:188
msgctl:71:187 mq_open:240:180 mq_unlink:241:181 mq_timedsend:242:182 mq_timedreceive:243:183
mq_notify:244:184 mq_getsetattr:245:185 add_key:248:217 request_key:249:218 keyctl:250:219
io_setup:206:0 io_submit:209:2 io_cancel:210:3 io_destroy:207:1 io_getevents:208:4 io_pgetevents:333:292
splice:275:76 tee:276:77 vmsplice:278:75 remap_file_pages:216:234
# parts of the kernel with a large surface
io_uring_setup:425:425 io_uring_enter:426:426 io_uring_register:427:427 userfaultfd:323:282 bpf:321:280
perf_event_open:298:241 fanotify_init:300:262 fanotify_mark:301:263 inotify_init:253:-
inotify_init1:294:26 inotify_add_watch:254:27 inotify_rm_watch:255:28 modify_ldt:154:-
personality:135:92 lookup_dcookie:212:18
# what Landlock leaves open on files of the same user
chmod:90:- fchmod:91:52 fchmodat:268:53 chown:92:- lchown:94:- fchown:93:55 fchownat:260:54 utime:132:-
utimes:235:- utimensat:280:88 futimesat:261:- truncate:76:45 setxattr:188:5 lsetxattr:189:6
fsetxattr:190:7 removexattr:197:14 lremovexattr:198:15 fremovexattr:199:16 mknod:133:- mknodat:259:33
name_to_handle_at:303:264 open_by_handle_at:304:265
# mounts and namespaces
mount:165:40 umount2:166:39 pivot_root:155:41 chroot:161:51 unshare:272:97 setns:308:268
open_tree:428:428 move_mount:429:429 fsopen:430:430 fsconfig:431:431 fsmount:432:432 fspick:433:433
mount_setattr:442:442
# who it is
setuid:105:146 setgid:106:144 setreuid:113:145 setregid:114:143 setresuid:117:147 setresgid:119:149
setfsuid:122:151 setfsgid:123:152 setgroups:116:159 capset:126:91
# the machine
swapon:167:224 swapoff:168:225 reboot:169:142 kexec_load:246:104 kexec_file_load:320:294
init_module:175:105 finit_module:313:273 delete_module:176:106 quotactl:179:60 quotactl_fd:443:443
acct:163:89 syslog:103:116 sethostname:170:161 setdomainname:171:162 settimeofday:164:170
clock_settime:227:112 clock_adjtime:305:266 adjtimex:159:171 iopl:172:- ioperm:173:- vhangup:153:58
sync:162:81 syncfs:306:267
""")
