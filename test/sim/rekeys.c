/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The long life: renewals and collisions of renewals while data flows both ways.
 *
 *   rekeys              so many seeds that each kind below has 10,000 renewals
 *   rekeys COUNT        so many seeds
 *   rekeys COUNT FIRST  so many from this one on: to share the work
 *   rekeys -s SEED      one seed, with the logs of both ends: to replay a failure
 *
 * IKE messages are lost (5 %), repeated, reordered and corrupted; data packets travel on a path of their own that only
 * delays. So a data packet that finds no SA at the sender, or is not opened at the other end, was lost because of a
 * renewal, and the seed fails. It also fails when a round, SETTLE after its renewals, has not left one pair of SAs, the
 * same at both ends, and one IKE SA; and when a secret is alive at the end.
 *
 * The seed also chooses the mode, PFS, UDP or not, and which end is the initiator.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/sim/craft.h"
#include "test/sim/rig.h"

enum { SECOND = 1000, ROUNDS = 20, WANTED = 10000, AT_ONCE = 64 };

/* Of data: often while something changes, now and then while all is quiet. */
enum { STEP = 5, QUIET_STEP = 100, BUSY_FOR = 4 * SECOND, DATA_DELAY = 40, DATA = 1000 };

/*
 * Limits of phase 1 and 2 in the kinds that wait for them, and how long after a renewal all must be settled: the slower
 * end may have to do without a message for half a minute, and then cleans up by itself what it was not told of.
 *
 * Renewals begin when a fifth of LIFE is left, at the other end a tenth. That must be time for two attempts of one end:
 * a key exchange of main mode that was changed on the way (messages 3 and 4 are authenticated by 5 and 6 only, RFC 2409
 * 5.4) cannot come to a good end, which its initiator learns from the silence that follows, after 47 s; the next one
 * begins 60 s after it. With 150 s, one changed message at each end left no phase 1, which is then made when needed.
 */
enum { LIFE = 400, LONG_LIFE = 30 * 86400, LIFE_BYTES = 1600000, SETTLE = 160 * SECOND, ROUND_MAX = LIFE * SECOND };

enum kind { PHASE2_SECONDS, PHASE2_BYTES, PHASE1_SECONDS, BOTH_SECONDS, COLLIDE2, COLLIDE1, COLLIDE_BOTH, KINDS };

static const char *const kind_names[KINDS] = {
    "phase 2 by seconds",    "phase 2 by kilobytes",  "phase 1 by seconds", "both by seconds",
    "collisions of phase 2", "collisions of phase 1", "collisions of both",
};

struct tally {
    unsigned long long seeds, failed, phase1, phase2, rounds, packets;
};

struct life {
    struct rig *rig;
    enum kind kind;
    struct random_seeded dice_state;
    struct random dice;
    struct rig_sealed on_the_way[AT_ONCE];
    size_t count;
    uint64_t busy_until;
    unsigned long long packets;
    char wrong[160];
};

static unsigned roll(struct life *life, unsigned below)
{
    uint32_t n = 0;
    if (random_u32(&life->dice, &n) != OK)
        abort();
    return n % below;
}

/* --- data --- */

static void note_loss(struct life *life, int end, const char *what, const char *why)
{
    if (life->wrong[0] == '\0')
        snprintf(life->wrong, sizeof life->wrong, "at %.3f s a packet was lost: end %d %s: %s",
                 (double)life->rig->now_ms / 1000, end, what, why);
}

/* The kind that counts bytes sends many of them while all is quiet only, so that they last. */
static void send_data(struct life *life)
{
    bool much = life->kind == PHASE2_BYTES && life->rig->now_ms >= life->busy_until;
    for (int from = 0; from < RIG_ENDS; from++) {
        if (life->count == AT_ONCE)
            abort();
        struct rig_sealed *sealed = &life->on_the_way[life->count];
        const char *why = rig_seal(life->rig, from, much ? DATA : 0, sealed);
        life->packets++;
        if (why != NULL) {
            note_loss(life, from, "sends", why);
            continue;
        }
        sealed->at_ms = life->rig->now_ms + roll(life, DATA_DELAY + 1);
        life->count++;
    }
}

static void take_data(struct life *life)
{
    for (size_t i = 0; i < life->count;) {
        struct rig_sealed *sealed = &life->on_the_way[i];
        if (sealed->at_ms > life->rig->now_ms) {
            i++;
            continue;
        }
        const char *why = rig_open(life->rig, sealed);
        if (why != NULL)
            note_loss(life, sealed->to, "receives", why);
        *sealed = life->on_the_way[--life->count];
    }
}

/* --- what is there --- */

struct view {
    size_t sas, children;
    uint64_t spi_i, spi_r;
    uint32_t spi_in, spi_out;
    bool steady;
};

static void view_sa(void *arg, const struct ike_sa_info *info)
{
    struct view *v = arg;
    v->sas++;
    v->spi_i = info->spi_i;
    v->spi_r = info->spi_r;
    v->steady &= strcmp(info->state, "established") == 0;
}

static void view_child(void *arg, const struct ike_child_info *info)
{
    struct view *v = arg;
    v->children++;
    v->spi_in = info->child->spi_in;
    v->spi_out = info->child->spi_out;
    v->steady &= strcmp(info->state, "established") == 0;
}

static struct view view(const struct rig_end *end)
{
    struct view v = {.steady = true};
    ike_visit(end->ike, &(struct ike_visitor){.arg = &v, .sa = view_sa, .child = view_child});
    return v;
}

static bool is_one_pair(const struct rig *rig)
{
    struct view a = view(&rig->ends[0]), b = view(&rig->ends[1]);
    return a.steady && b.steady && a.sas == 1 && b.sas == 1 && a.children == 1 && b.children == 1 &&
           a.spi_i == b.spi_i && a.spi_r == b.spi_r && a.spi_in == b.spi_out && a.spi_out == b.spi_in;
}

static void note_unsettled(struct life *life)
{
    struct view a = view(&life->rig->ends[0]), b = view(&life->rig->ends[1]);
    if (life->wrong[0] == '\0')
        snprintf(life->wrong, sizeof life->wrong, "at %.3f s not one pair: %zu and %zu IKE SAs, %zu and %zu children%s",
                 (double)life->rig->now_ms / 1000, a.sas, b.sas, a.children, b.children,
                 a.steady && b.steady ? "" : ", some not established");
}

/* --- time --- */

static unsigned renewals1(const struct rig *rig)
{
    return rig->ends[0].events[IKE_EVENT_PHASE1_UP];
}

static unsigned renewals2(const struct rig *rig)
{
    return rig->ends[0].events[IKE_EVENT_CHILD_REKEYED];
}

static void pass(struct life *life, uint64_t ms)
{
    struct rig *rig = life->rig;
    for (uint64_t end = rig->now_ms + ms; rig->now_ms < end && life->wrong[0] == '\0';) {
        unsigned sent = rig->ends[0].sent + rig->ends[1].sent;
        uint64_t step = rig->now_ms < life->busy_until ? STEP : QUIET_STEP;
        send_data(life);
        rig_run(rig, step < end - rig->now_ms ? step : end - rig->now_ms);
        take_data(life);
        if (rig->ends[0].sent + rig->ends[1].sent != sent)
            life->busy_until = rig->now_ms + BUSY_FOR;
    }
}

/* Runs until that many renewals have come about, or for the longest time. */
static bool pass_until(struct life *life, unsigned phase1, unsigned phase2)
{
    for (uint64_t end = life->rig->now_ms + ROUND_MAX; life->rig->now_ms < end && life->wrong[0] == '\0';) {
        if (renewals1(life->rig) >= phase1 && renewals2(life->rig) >= phase2)
            return true;
        pass(life, QUIET_STEP);
    }
    return false;
}

/* --- the rounds --- */

static void start_one(struct life *life, int end)
{
    const char *why;
    struct rig_end *e = &life->rig->ends[end];
    if (life->kind != COLLIDE1 && ike_rekey(e->ike, life->rig->now_ms, 0, &why) != OK && life->wrong[0] == '\0')
        snprintf(life->wrong, sizeof life->wrong, "no renewal: %s", why);
    if (life->kind != COLLIDE2)
        craft_renew_phase1(e->ike, life->rig->now_ms);
}

/* Both ends start within one round trip, so neither can have seen the other's renewal complete. */
static void collide(struct life *life)
{
    const unsigned round_trip = 2 * life->rig->network.delay_max_ms;
    int first = (int)roll(life, 2);
    life->busy_until = life->rig->now_ms + BUSY_FOR;
    start_one(life, first);
    pass(life, roll(life, 3) == 0 ? 0 : roll(life, round_trip));
    start_one(life, 1 - first);
}

/* Colliding renewals get all the time there is, and must then have settled; others are let off as soon as they have,
 * for the next one of the other phase may be near. */
static void settle(struct life *life)
{
    const bool collides = life->kind >= COLLIDE2;
    for (uint64_t end = life->rig->now_ms + SETTLE; life->rig->now_ms < end && life->wrong[0] == '\0';) {
        if (!collides && is_one_pair(life->rig))
            return;
        pass(life, SECOND);
    }
    if (!is_one_pair(life->rig))
        note_unsettled(life);
}

static void one_round(struct life *life)
{
    const bool one = life->kind == PHASE1_SECONDS || life->kind == BOTH_SECONDS || life->kind == COLLIDE1 ||
                     life->kind == COLLIDE_BOTH;
    const bool two = life->kind != PHASE1_SECONDS && life->kind != COLLIDE1;
    unsigned phase1 = renewals1(life->rig), phase2 = renewals2(life->rig);
    if (life->kind >= COLLIDE2)
        collide(life);
    if (!pass_until(life, phase1 + one, phase2 + two) && life->wrong[0] == '\0')
        snprintf(life->wrong, sizeof life->wrong, "no renewal in %d s", ROUND_MAX / SECOND);
    settle(life);
}

static struct rig *make(uint64_t seed, enum kind kind, bool verbose)
{
    struct rig *rig = rig_new(seed);
    rig->verbose = verbose;
    rig->network = (struct rig_network){.loss = 50, .repeat = 50, .corrupt = 5, .delay_min_ms = 1, .delay_max_ms = 80};
    const uint64_t bits = seed / KINDS;
    for (int i = 0; i < RIG_ENDS; i++) {
        struct connection *c = &rig->ends[i].connection;
        char why[256];
        c->mode = bits & 1 ? MODE_AGGRESSIVE : MODE_MAIN;
        c->encap = bits & 2 ? ENCAP_YES : ENCAP_AUTO;
        if (bits & 4 && proposal_parse(PROPOSAL_ESP, "aes128gcm16, aes256-sha256", 0, &c->esp, why, sizeof why) != OK)
            abort();
        c->start = i == (int)(bits / 8 % 2) ? START_START : START_TRAP;
        c->dpd_delay_s = bits & 16 ? 30 : 0;
        c->ike_lifetime_s = kind == PHASE1_SECONDS || kind == BOTH_SECONDS ? LIFE : LONG_LIFE;
        c->lifetime_s = kind == PHASE2_SECONDS || kind == BOTH_SECONDS ? LIFE : LONG_LIFE;
        c->lifetime_bytes = kind == PHASE2_BYTES ? LIFE_BYTES : 0;
    }
    return rig;
}

static void end_of_life(struct life *life)
{
    struct rig *rig = life->rig;
    for (int i = 0; i < RIG_ENDS; i++) {
        ike_shutdown(rig->ends[i].ike, rig->now_ms);
        if (rig_children(&rig->ends[i]) + rig_sas(&rig->ends[i], NULL) != 0 && life->wrong[0] == '\0')
            snprintf(life->wrong, sizeof life->wrong, "end %d keeps something after its shutdown", i);
    }
    /* Of the configuration: one pre-shared key each. */
    if (vault_live(rig->vault) != RIG_ENDS && life->wrong[0] == '\0')
        snprintf(life->wrong, sizeof life->wrong, "keys are alive after the shutdown");
}

static bool run_seed(uint64_t seed, bool verbose, struct tally tallies[KINDS])
{
    struct life *life = calloc(1, sizeof *life);
    if (life == NULL)
        abort();
    life->kind = (enum kind)(seed % KINDS);
    life->dice = random_of_seed(&life->dice_state, seed ^ UINT64_C(0x5eed) << 32);
    life->rig = make(seed, life->kind, verbose);
    struct tally *t = &tallies[life->kind];
    rig_start(life->rig);
    if (!rig_run_until(life->rig, 120 * SECOND, rig_both_carry))
        snprintf(life->wrong, sizeof life->wrong, "it never came up");
    unsigned phase1 = renewals1(life->rig), phase2 = renewals2(life->rig);
    for (int i = 0; i < ROUNDS && life->wrong[0] == '\0'; i++, t->rounds++)
        one_round(life);
    t->seeds++;
    t->phase1 += renewals1(life->rig) - phase1;
    t->phase2 += renewals2(life->rig) - phase2;
    t->packets += life->packets;
    end_of_life(life);
    if (rig_free(life->rig) != 0 && life->wrong[0] == '\0')
        snprintf(life->wrong, sizeof life->wrong, "secrets are still alive");
    bool good = life->wrong[0] == '\0';
    if (!good)
        printf("seed %llu (%s): %s (replay: rekeys -s %llu)\n", (unsigned long long)seed, kind_names[life->kind],
               life->wrong, (unsigned long long)seed);
    t->failed += !good;
    free(life);
    return good;
}

int main(int argc, char **argv)
{
    struct tally tallies[KINDS] = {0};
    if (argc == 3 && strcmp(argv[1], "-s") == 0)
        return run_seed(strtoull(argv[2], NULL, 10), true, tallies) ? 0 : 1;
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)KINDS * WANTED / ROUNDS;
    const uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    unsigned long long failed = 0;
    for (uint64_t seed = first; seed < first + count; seed++)
        failed += !run_seed(seed, false, tallies);
    for (int i = 0; i < KINDS; i++) {
        const struct tally *t = &tallies[i];
        printf("%-22s %6llu rounds, %6llu renewals of phase 1, %6llu of phase 2, %9llu packets, %llu of %llu seeds "
               "failed\n",
               kind_names[i], t->rounds, t->phase1, t->phase2, t->packets, t->failed, t->seeds);
    }
    return failed == 0 && count > 0 ? 0 : 1;
}
