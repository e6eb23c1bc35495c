/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: main mode or aggressive mode, and quick mode, between two gateways over a network that loses, repeats,
 * delays, reorders and corrupts.
 *
 *   sim                 10,000 seeds
 *   sim COUNT           so many
 *   sim -s SEED         one seed, with the logs of both ends: to replay a failure
 *   sim -a ...          aggressive mode
 *
 * For every seed: both ends reach a pair of SAs that carries data both ways; then a long life at short lifetimes, in
 * which phase 1 and phase 2 are renewed again and again, never without a working pair; then the end, after which no
 * secret is alive.
 */
#include "test/sim/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60000, DEFAULT_SEEDS = 10000 };

/* Long messages: one name and one list of suites that fill a kilobyte, so that some go in fragments at once, others
 * when they are repeated. */
static void make_long(struct connection *c)
{
    rig_make_long(c);
    c->local_id = (struct identity){.type = ID_FQDN, .len = 500};
    memset(c->local_id.data, 'x', c->local_id.len);
    c->remote_id = c->local_id;
}

static struct rig *make(uint64_t seed, enum ike_mode mode, bool verbose)
{
    struct rig *rig = rig_new(seed);
    rig->verbose = verbose;
    rig->network =
        (struct rig_network){.loss = 200, .repeat = 100, .corrupt = 10, .delay_min_ms = 1, .delay_max_ms = 300};
    static const enum encap_choice encaps[] = {ENCAP_YES, ENCAP_AUTO, ENCAP_NO};
    for (int i = 0; i < RIG_ENDS; i++) {
        struct connection *c = &rig->ends[i].connection;
        c->mode = mode;
        c->encap = encaps[(seed / (i == 0 ? 1 : 3)) % 3];
        c->fragmentation = seed / (i == 0 ? 2 : 4) % 4 != 0;
        if (seed % 3 == 0)
            make_long(c);
        c->dpd_delay_s = seed % 2 ? 30 : 0;
        c->dpd_action = DPD_RESTART;
        if (seed % 5 == 0)
            c->start = START_START; /* both ends call at once */
    }
    return rig;
}

static const char *stays_up(struct rig *rig)
{
    /* A quiet network from here on: what is lost now would be lost by a renewal. */
    rig->network = (struct rig_network){.loss = 0, .repeat = 100, .delay_min_ms = 1, .delay_max_ms = 50};
    rig_run(rig, 2 * MINUTE); /* what the bad times left behind settles */
    if (!rig_both_carry(rig))
        return "the pair did not survive";
    for (int i = 0; i < 200; i++) {
        rig_run(rig, 1000);
        if (!rig_both_carry(rig))
            return "no working pair during a renewal";
    }
    for (int i = 0; i < RIG_ENDS; i++)
        if (rig_children(&rig->ends[i]) > 12)
            return "children pile up";
    return NULL;
}

static const char *ends(struct rig *rig)
{
    ike_shutdown(rig->ends[0].ike, rig->now_ms);
    rig_run(rig, MINUTE);
    if (rig_children(&rig->ends[0]) != 0 || rig_sas(&rig->ends[0], NULL) != 0)
        return "something is left after the shutdown";
    return NULL;
}

static bool run_seed(uint64_t seed, enum ike_mode mode, bool verbose)
{
    struct rig *rig = make(seed, mode, verbose);
    bool long_life = seed % 50 == 0;
    if (long_life)
        for (int i = 0; i < RIG_ENDS; i++) {
            rig->ends[i].connection.lifetime_s = 60;
            rig->ends[i].connection.ike_lifetime_s = 150;
        }
    rig_start(rig);
    const char *wrong = rig_comes_up(rig, rig_traffic) ? NULL : "no working pair of SAs after ten minutes";
    if (wrong == NULL && long_life)
        wrong = stays_up(rig);
    if (wrong == NULL)
        wrong = ends(rig);
    unsigned phase1 = rig->ends[0].events[IKE_EVENT_PHASE1_UP], renewed = rig->ends[0].events[IKE_EVENT_CHILD_REKEYED];
    if (wrong == NULL && long_life && (renewed < 2 || phase1 < 2))
        wrong = "a long life without renewals";
    if (rig_free(rig) != 0 && wrong == NULL)
        wrong = "secrets are still alive";
    if (wrong != NULL)
        printf("seed %llu: %s (replay: sim %s-s %llu)\n", (unsigned long long)seed, wrong,
               mode == MODE_AGGRESSIVE ? "-a " : "", (unsigned long long)seed);
    return wrong == NULL;
}

int main(int argc, char **argv)
{
    bool aggressive = argc > 1 && strcmp(argv[1], "-a") == 0;
    enum ike_mode mode = aggressive ? MODE_AGGRESSIVE : MODE_MAIN;
    argv += aggressive;
    argc -= aggressive;
    if (argc == 3 && strcmp(argv[1], "-s") == 0)
        return run_seed(strtoull(argv[2], NULL, 10), mode, true) ? 0 : 1;
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : DEFAULT_SEEDS;
    uint64_t failed = 0;
    for (uint64_t seed = 1; seed <= count; seed++)
        failed += !run_seed(seed, mode, false);
    printf("%llu passed, %llu failed\n", (unsigned long long)(count - failed), (unsigned long long)failed);
    return failed == 0 && count > 0 ? 0 : 1;
}
