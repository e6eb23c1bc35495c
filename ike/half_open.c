/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/half_open.h"

#include "ike/remote.h"
#include "ike/sa.h"

static bool is_configured(const struct ike *ike, uint32_t connection)
{
    return !connection_is_any(connection_of(ike, connection));
}

/* --- half-open SAs --- */

/* One look at all of them, from where a new one comes in. */
struct survey {
    size_t all, strangers;
    size_t of_site; /* of the kind of the new one: of a stranger or of a configured peer */
    /* Who would give way first; NULL: nobody would. */
    struct ike_sa *from_site, *from_strangers, *from_configured;
};

static bool is_unproven(const struct ike_sa *sa)
{
    return sa->state == SA_WAIT_KE || sa->state == SA_WAIT_HASH;
}

/* The list has the oldest first. */
static void consider(const struct ike *ike, struct ike_sa **best, struct ike_sa *sa)
{
    if (!is_unproven(sa) && ike->now_ms - sa->created_ms < HALF_OPEN_PATIENCE)
        return;
    if (*best == NULL || (is_unproven(sa) && !is_unproven(*best)))
        *best = sa;
}

static struct survey look(const struct ike *ike, const struct path *path, bool configured)
{
    struct survey s = {0};
    struct ike_sa *sa;
    DL_FOREACH (ike->strangers, sa) {
        bool of_configured = is_configured(ike, sa->connection);
        bool same_site = ike_same_site(&sa->path.remote.address, &path->remote.address);
        s.all++;
        s.strangers += !of_configured;
        consider(ike, of_configured ? &s.from_configured : &s.from_strangers, sa);
        if (same_site && of_configured == configured) {
            s.of_site++;
            consider(ike, &s.from_site, sa);
        }
    }
    return s;
}

/* Several configured peers may be behind one address, and all of them start at once when its router does. */
static size_t share_of_site(const struct ike *ike, const struct path *path, bool configured)
{
    size_t share = HALF_OPEN_PER_ADDRESS;
    for (uint32_t i = 0; configured && i < ike->setup.connection_count; i++)
        if (is_configured(ike, i) && remote_is_site(ike, i, &path->remote.address))
            share += HALF_OPEN_PER_CONNECTION;
    return share;
}

/* Each kind keeps its reserve: the addresses of configured peers can be forged too, and must not keep strangers out. */
static struct ike_sa *from_other_sites(const struct survey *s, bool configured)
{
    bool strangers_have_more = s->strangers >= HALF_OPEN_RESERVED + (configured ? 1 : 0);
    struct ike_sa *victim = strangers_have_more ? s->from_strangers : s->from_configured;
    if (victim != NULL)
        return victim;
    return configured ? s->from_configured : s->from_strangers;
}

static bool find_room(const struct ike *ike, const struct path *path, bool configured, const struct survey *s,
                      struct ike_sa **victim)
{
    bool is_full = s->all >= HALF_OPEN_MAX || (!configured && s->strangers >= HALF_OPEN_MAX - HALF_OPEN_RESERVED);
    bool site_is_full = s->of_site >= share_of_site(ike, path, configured);
    /* When it is tight, a site that already has many makes room itself. */
    bool among_its_own = site_is_full || (is_full && s->of_site >= HALF_OPEN_WHEN_FULL);
    *victim = NULL;
    if (!is_full && !site_is_full)
        return true;
    *victim = among_its_own ? s->from_site : from_other_sites(s, configured);
    return *victim != NULL;
}

bool half_open_has_room(const struct ike *ike, const struct path *path, uint32_t connection, struct ike_sa **victim)
{
    bool configured = is_configured(ike, connection);
    struct survey s = look(ike, path, configured);
    return find_room(ike, path, configured, &s, victim);
}

bool half_open_make_room(struct ike *ike, const struct path *path, uint32_t connection)
{
    bool configured = is_configured(ike, connection);
    struct survey s = look(ike, path, configured);
    struct ike_sa *victim;
    bool has_room = find_room(ike, path, configured, &s, &victim);
    if (has_room && victim == NULL)
        return true;
    ike_drop(ike, IKE_DROP_LIMIT, path, "too many phase 1 negotiations are half-open (%zu, %zu of this address)%s",
             s.all, s.of_site, has_room ? ": the oldest one gives way" : "");
    if (has_room)
        ike_sa_free(ike, victim);
    return has_room;
}

/* --- key exchanges of aggressive mode --- */

static const struct throttle_rate aggressive_of_site = {AGGRESSIVE_SITE_BURST, AGGRESSIVE_SITE_EVERY};

static uint64_t site_digest(const struct ike *ike, const struct address *a)
{
    return hash_short(ike->seed, a->bytes, a->family == 4 ? 4 : 8);
}

static bool all_may_compute(struct ike *ike, bool configured)
{
    unsigned most = configured ? AGGRESSIVE_PER_SECOND : AGGRESSIVE_PER_SECOND - AGGRESSIVE_RESERVED;
    if (ike->aggressive.count == 0 || ike->now_ms - ike->aggressive.since_ms >= 1000) {
        ike->aggressive.since_ms = ike->now_ms;
        ike->aggressive.count = 0;
    }
    return ike->aggressive.count < most;
}

bool half_open_may_compute(struct ike *ike, const struct path *path, uint32_t connection)
{
    bool configured = is_configured(ike, connection);
    if (!all_may_compute(ike, configured)) {
        ike_drop(ike, IKE_DROP_LIMIT, path, "more than %d first messages of aggressive mode in a second",
                 AGGRESSIVE_PER_SECOND);
        return false;
    }
    if (!throttle_take(&ike->aggressive.sites[configured], &aggressive_of_site, site_digest(ike, &path->remote.address),
                       ike->now_ms)) {
        ike_drop(ike, IKE_DROP_LIMIT, path,
                 "more than %d first messages of aggressive mode from one address in a second",
                 1000 / AGGRESSIVE_SITE_EVERY);
        return false;
    }
    ike->aggressive.count++;
    return true;
}

/* --- messages in fragments --- */

bool half_open_may_collect(const struct ike *ike, const struct ike_sa *sa)
{
    bool configured = is_configured(ike, sa->connection);
    size_t of_site = 0, strangers = 0;
    const struct ike_sa *other;
    DL_FOREACH (ike->strangers, other) {
        if (other->collected == NULL || other == sa)
            continue;
        bool of_configured = is_configured(ike, other->connection);
        strangers += !of_configured;
        of_site += of_configured == configured && ike_same_site(&other->path.remote.address, &sa->path.remote.address);
    }
    if (ike->stranger_messages >= STRANGER_MESSAGES_MAX || of_site >= STRANGER_MESSAGES_PER_ADDRESS)
        return false;
    return configured || strangers < STRANGER_MESSAGES_MAX - STRANGER_MESSAGES_RESERVED;
}

/* --- guests --- */

struct guest_survey {
    size_t all, of_connection, of_site; /* of_site: and of the connection */
    struct ike_sa *from_all, *from_connection, *from_site;
};

static void consider_guest(const struct ike *ike, struct ike_sa **best, struct ike_sa *sa)
{
    if (*best == NULL && ike->now_ms - sa->created_ms >= GUEST_PATIENCE)
        *best = sa;
}

static struct guest_survey look_at_guests(const struct ike *ike, const struct ike_sa *newcomer)
{
    struct guest_survey s = {0};
    struct ike_sa *sa;
    DL_FOREACH (ike->guests, sa) {
        s.all++;
        consider_guest(ike, &s.from_all, sa);
        if (sa->connection != newcomer->connection)
            continue;
        s.of_connection++;
        consider_guest(ike, &s.from_connection, sa);
        if (!ike_same_site(&sa->path.remote.address, &newcomer->path.remote.address))
            continue;
        s.of_site++;
        consider_guest(ike, &s.from_site, sa);
    }
    return s;
}

bool guest_has_room(const struct ike *ike, const struct ike_sa *sa, struct ike_sa **victim)
{
    struct guest_survey s = look_at_guests(ike, sa);
    *victim = NULL;
    if (s.of_site >= GUESTS_PER_ADDRESS)
        *victim = s.from_site;
    else if (s.of_connection >= GUESTS_PER_CONNECTION)
        *victim = s.from_connection;
    else if (s.all >= GUESTS_MAX)
        *victim = s.from_all;
    else
        return true;
    return *victim != NULL;
}

bool guest_make_room(struct ike *ike, const struct ike_sa *sa)
{
    struct ike_sa *victim;
    bool has_room = guest_has_room(ike, sa, &victim);
    if (victim != NULL) {
        victim->version->delete_sa(ike, victim);
        ike_sa_fail(ike, victim, "the login took long, and others wait for its place");
    }
    return has_room;
}
