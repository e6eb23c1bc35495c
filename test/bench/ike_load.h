/* SPDX-License-Identifier: Apache-2.0 */
/* The load of ./test/bench/ike: many initiators in one process, our own engine over real sockets. */
#ifndef TEST_BENCH_IKE_LOAD_H
#define TEST_BENCH_IKE_LOAD_H

#include "base/wire.h"
#include "policy/address.h"

_Noreturn void die(const char *what, const char *why);

/* --- ike_load_udp.c: ports 500 and 4500 of all addresses --- */

struct load_udp {
    int fds[2]; /* 500, 4500 */
    uint8_t marked[65536];
    uint64_t sent, refused;
};

void load_udp_open(struct load_udp *udp);
void load_udp_send(struct load_udp *udp, const struct path *path, struct bytes message);
/* Waits for wait_ms at most, then hands over what is there, without markers, up to a few hundred datagrams. */
void load_udp_receive(struct load_udp *udp, int wait_ms,
                      void (*take)(void *arg, const struct path *path, struct bytes message), void *arg);

/* --- ike_load_make.c: what a run needs, and what it is compared with --- */

/* Into folder: ca.pem, gw.pem, gw.key, client.key and client-0.pem, ... that share this key. */
void load_make_certificates(const char *folder, const char *kind, unsigned count);
/* What the key agreements and signatures cost the bare library; a line of JSON. */
void load_print_floor(void);

#endif
