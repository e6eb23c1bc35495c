/* SPDX-License-Identifier: Apache-2.0 */
/* Phase 1 of either mode, the responder's first step: which connection is it? */
#include <stdio.h>

#include "ike/auth.h"
#include "ike/half_open.h"
#include "ike/remote.h"
#include "ike/sa.h"
#include "ike/v1_body.h"
#include "ike/v1_phase1.h"
#include "ike/v1_vendor.h"

/*
 * Who may be meant, best first. Main mode has only addresses to go by (RFC 2409 5.4); aggressive mode names the peer,
 * so a connection that expects this name goes before one that takes whoever has the key. What a name server says does
 * not take the place of an address that somebody has written.
 */
enum rank { RANK_ADDRESS, RANK_RESOLVED, RANK_NAME, RANK_ANYBODY, RANK_COUNT };

static enum rank rank_of(const struct connection *c, enum ike_mode mode)
{
    if (!connection_is_any(c))
        return c->remote_name != NULL ? RANK_RESOLVED : RANK_ADDRESS;
    return mode == MODE_AGGRESSIVE && c->remote_id.type == ID_NONE ? RANK_ANYBODY : RANK_NAME;
}

/* By its addresses. */
static bool is_candidate(const struct ike *ike, uint32_t i, const struct path *path)
{
    const struct connection *c = connection_of(ike, i);
    bool local_fits = c->local.family == 0 || address_equal(&c->local, &path->local.address);
    return c->ike_version == 1 && local_fits && remote_may_be(ike, i, &path->remote.address);
}

/* The best connection so far, and how far it got. */
struct choice {
    enum { CHOICE_NONE, CHOICE_MODE_DIFFERS, CHOICE_NAME_DIFFERS, CHOICE_PROPOSAL_DIFFERS, CHOICE_MADE } got;
    uint32_t connection;
    const struct v1_transform *transform; /* CHOICE_MADE */
};

static struct choice judge(const struct ike *ike, uint32_t i, const struct first_message *first,
                           const struct v1_offer *offer)
{
    const struct connection *c = connection_of(ike, i);
    const struct v1_terms terms = phase1_terms(c);
    struct choice choice = {.got = CHOICE_MODE_DIFFERS, .connection = i};
    if (c->mode != first->mode)
        return choice;
    choice.got = CHOICE_NAME_DIFFERS;
    if (first->id != NULL && !phase1_id_is_expected(c, &first->path->remote.address, first->id))
        return choice;
    choice.transform = v1_offer_choose(offer, &terms, &c->ike);
    choice.got = choice.transform != NULL ? CHOICE_MADE : CHOICE_PROPOSAL_DIFFERS;
    return choice;
}

/* by_address: whether one of them is known to be at this address. */
static struct choice choose_connection(const struct ike *ike, const struct first_message *first,
                                       const struct v1_offer *offer, bool *by_address)
{
    struct choice best = {0};
    *by_address = false;
    for (enum rank rank = 0; rank < RANK_COUNT; rank++)
        for (uint32_t i = 0; i < ike->setup.connection_count && best.got != CHOICE_MADE; i++) {
            const struct connection *c = connection_of(ike, i);
            if (rank_of(c, first->mode) != rank || !is_candidate(ike, i, first->path))
                continue;
            *by_address |= rank <= RANK_RESOLVED;
            struct choice choice = judge(ike, i, first, offer);
            if (choice.got > best.got)
                best = choice;
        }
    return best;
}

/* The suites may fit, and the method not: then no transform has ours. */
static void explain_method(struct ike *ike, uint32_t connection, const struct v1_offer *offer)
{
    const struct connection *c = connection_of(ike, connection);
    char ours[AUTH_TEXT], theirs[AUTH_TEXT];
    for (size_t i = 0; i < offer->count; i++)
        if (offer->items[i].auth == auth_number(c))
            return;
    ike_say(ike, LOG_ERROR, connection,
            "the peer authenticates with %s, this connection with %s: compare auth, and the kinds of the keys",
            auth_print(offer->count > 0 ? offer->items[0].auth : 0, theirs), auth_print(auth_number(c), ours));
}

static void explain_mismatch(struct ike *ike, uint32_t connection, const struct path *path,
                             const struct v1_offer *offer)
{
    uint32_t suppressed;
    if (!log_rate_allow(&ike->log_rate, ike->now_ms, &suppressed))
        return;
    struct proposal_list offered;
    char text[EXPLAIN_TEXT], end[ENDPOINT_TEXT], more[LOG_RATE_TEXT];
    v1_offer_list(offer, &offered);
    proposal_explain(&connection_of(ike, connection)->ike, &offered, text, sizeof text);
    ike_say_event(ike, LOG_ERROR, (struct log_subject){.connection = connection, .reason = text},
                  "NO_PROPOSAL_CHOSEN for phase 1 offered by %s%s", endpoint_print(&path->remote, end),
                  log_rate_note(more, suppressed));
    explain_method(ike, connection, offer);
}

/* RFC 2409 5.4: the group cannot be negotiated in aggressive mode, its KE payload is already there. */
static void keep_group_of_ke(struct v1_offer *offer, size_t ke_len)
{
    for (size_t i = 0; i < offer->count; i++)
        if (offer->items[i].usable && group_info(offer->items[i].suite.group)->public_len != ke_len)
            offer->items[i].usable = false;
}

static void refuse_mode(struct ike *ike, const struct first_message *first, const struct connection *c)
{
    ike_drop(ike, IKE_DROP_NO_CONNECTION, first->path,
             first->mode == MODE_AGGRESSIVE
                 ? "%s: the peer asks for aggressive mode, but this connection does main mode: set the peer to main "
                   "mode, or, if it cannot, write mode = aggressive"
                 : "%s: the peer asks for main mode, but this connection has mode = aggressive: set the peer to "
                   "aggressive mode, or better, write mode = main",
             c->name);
    v1_info_notify_clear(ike, first->header, first->path, NOTIFY_UNSUPPORTED_EXCHANGE_TYPE);
}

static void refuse_name(struct ike *ike, const struct first_message *first, const struct connection *c)
{
    char got[IDENTITY_TEXT], want[IDENTITY_TEXT];
    struct identity expected = phase1_expected_id(c, &first->path->remote.address);
    ike_drop(ike, IKE_DROP_NO_CONNECTION, first->path,
             "INVALID_ID_INFORMATION: the peer calls itself %s, and no connection with its address expects that (%s "
             "has remote_id = %s); if it is the right peer, write remote_id = %s",
             identity_print(first->id, got), c->name, identity_print(&expected, want), got);
    v1_info_notify_clear(ike, first->header, first->path, NOTIFY_INVALID_ID_INFORMATION);
}

static void refuse_choice(struct ike *ike, const struct first_message *first, const struct v1_offer *offer,
                          const struct choice *choice)
{
    char local[ENDPOINT_TEXT];
    switch (choice->got) {
    case CHOICE_MODE_DIFFERS: refuse_mode(ike, first, connection_of(ike, choice->connection)); break;
    case CHOICE_NAME_DIFFERS: refuse_name(ike, first, connection_of(ike, choice->connection)); break;
    case CHOICE_PROPOSAL_DIFFERS:
        explain_mismatch(ike, choice->connection, first->path, offer);
        v1_info_notify_clear(ike, first->header, first->path, NOTIFY_NO_PROPOSAL_CHOSEN);
        break;
    default:
        ike_drop(ike, IKE_DROP_NO_CONNECTION, first->path,
                 "no connection has this address as remote and %s as local; add one, or use remote = %%any",
                 endpoint_print(&first->path->local, local));
        break;
    }
}

/* A flood of first messages must not fill the disk; who looks for every one finds them at log_level = debug. */
static void say_opened(struct ike *ike, const struct ike_sa *sa, const struct first_message *first)
{
    uint32_t suppressed;
    bool allowed = log_rate_allow(&ike->opened_rate, ike->now_ms, &suppressed);
    char end[ENDPOINT_TEXT], suite[PROPOSAL_TEXT], more[64] = "";
    if (allowed && suppressed > 0)
        snprintf(more, sizeof more, " (%u more were asked for since the last line)", (unsigned)suppressed);
    ike_say(ike, allowed ? LOG_INFO : LOG_DEBUG, sa->connection, "phase 1 (%s) asked for by %s, selected proposal %s%s",
            phase1_mode_name(first->mode), endpoint_print(&first->path->remote, end), proposal_print(&sa->suite, suite),
            more);
}

static struct ike_sa *open_sa(struct ike *ike, const struct first_message *first, const struct choice *choice)
{
    const struct connection *c = connection_of(ike, choice->connection);
    struct ike_sa *sa;
    enum status status = ike_sa_new(ike, &ike_version1, NULL, choice->connection, first->path, &sa);
    if (status != OK) {
        ike_drop(ike, IKE_DROP_INTERNAL, first->path, "%s", status_text(status));
        return NULL;
    }
    sa->spi_i = first->header->spi_i;
    sa->suite = choice->transform->suite;
    sa->lifetime_s = v1_smaller_limit(c->ike_lifetime_s, choice->transform->life_seconds);
    sa->lifetime_bytes = v1_smaller_limit(c->ike_lifetime_bytes, v1_bytes(choice->transform->life_kilobytes));
    sa->lifetime_cut = choice->transform->life_seconds > sa->lifetime_s;
    phase1_note_vendors(ike, sa, first->payloads);
    status = phase1_keep(payload_body(first->payloads, PAYLOAD_SA), &sa->phase1->sai_b, &sa->phase1->sai_b_len);
    if (status != OK) {
        ike_drop(ike, IKE_DROP_INTERNAL, first->path, "%s", status_text(status));
        ike_sa_free(ike, sa);
        return NULL;
    }
    say_opened(ike, sa, first);
    return sa;
}

struct ike_sa *phase1_open(struct ike *ike, const struct first_message *first, struct v1_transform *chosen)
{
    struct v1_offer offer;
    const struct path *path = first->path;
    enum status status = v1_offer_read(PROPOSAL_IKE, payload_body(first->payloads, PAYLOAD_SA), &offer);
    if (status != OK) {
        ike_drop(ike, status == ERR_LIMIT ? IKE_DROP_LIMIT : IKE_DROP_MALFORMED, path, "SA payload: %s",
                 status_text(status));
        return NULL;
    }
    if (first->ke_len != 0)
        keep_group_of_ke(&offer, first->ke_len);
    bool by_address;
    struct choice choice = choose_connection(ike, first, &offer, &by_address);
    if (!by_address) /* a peer whose name leads elsewhere now? When it repeats its message, we know */
        remote_ask_again(ike);
    if (choice.got != CHOICE_MADE) {
        refuse_choice(ike, first, &offer, &choice);
        return NULL;
    }
    if (first->mode == MODE_AGGRESSIVE && !half_open_may_compute(ike, path, choice.connection))
        return NULL;
    if (!half_open_make_room(ike, path, choice.connection))
        return NULL;
    *chosen = *choice.transform;
    return open_sa(ike, first, &choice);
}

struct v1_message phase1_begin_answer(struct ike *ike, const struct ike_sa *sa, const struct v1_transform *chosen)
{
    const struct connection *c = connection_of(ike, sa->connection);
    const struct v1_terms terms = phase1_terms(c);
    struct v1_message m = v1_message_begin(ike, sa, phase1_exchange(c->mode), 0, false);
    chain_open(&m.chain, &m.w, PAYLOAD_SA);
    v1_answer_write(&m.w, &terms, chosen);
    chain_close(&m.chain, &m.w);
    return m;
}

void phase1_add_common_vendors(struct ike *ike, const struct ike_sa *sa, const struct payloads *first,
                               struct v1_message *m)
{
    vendor_write(&m->chain, &m->w, phase1_common_vendors(connection_of(ike, sa->connection), first));
}
