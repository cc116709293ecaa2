/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - what Open vSwitch's configure finds on Debian 12 with gcc or clang, as far as the
 * classifier's sources ask for it.  configure itself takes longer than everything else together.
 */
#ifndef CXLTAB_BENCH_OVS_CONFIG_H
#define CXLTAB_BENCH_OVS_CONFIG_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#define ATOMIC_ALWAYS_LOCK_FREE_1B    1
#define ATOMIC_ALWAYS_LOCK_FREE_2B    1
#define ATOMIC_ALWAYS_LOCK_FREE_4B    1
#define ATOMIC_ALWAYS_LOCK_FREE_8B    1
#define HAVE_CLOCK_GETTIME	      1
#define HAVE_GLIBC_PTHREAD_SETNAME_NP 1
#define HAVE_LINUX_TYPES_H	      1
#define HAVE_NETLINK		      1
#define HAVE_NLA_BITFIELD32	      1
#define HAVE_POSIX_MEMALIGN	      1
#define HAVE_PRAGMA_MESSAGE	      1
#define HAVE_PTHREAD_SPIN_LOCK	      1
#define HAVE_SENDMMSG		      1
#define HAVE_STDATOMIC_H	      1
#define HAVE_STRNLEN		      1
#define HAVE_STRUCT_MMSGHDR_MSG_LEN   1
#define HAVE_THREAD_LOCAL	      1
#define HAVE_VIRTIO_TYPES	      1
#define PACKAGE_BUGREPORT	      "bugs@openvswitch.org"
#define PACKAGE_STRING		      "openvswitch"
#define VERSION			      "bench"

#endif
