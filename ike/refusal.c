/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/refusal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ike/auth.h"
#include "ike/v1_body.h"

static int begin(unsigned type, char out[REFUSAL_TEXT])
{
    return snprintf(out, REFUSAL_TEXT, "the peer answered %s: ", v1_notify_name(type));
}

static void proposals_refused(const struct connection *c, char *out, size_t len)
{
    char method[AUTH_TEXT], offer[REFUSAL_TEXT - 512];
    snprintf(out, len,
             "it accepts none of our `ike` proposals\n%s\n  each with authentication by %s, lifetime %" PRIu64 " s\n"
             "remedy: compare each word with phase 1 of the peer (its \"IKE policy\"), the authentication too; its log "
             "tells what it wanted",
             proposal_spell(&c->ike, offer, sizeof offer), auth_print(auth_number(c), method), c->ike_lifetime_s);
}

const char *refusal_of_phase1(const struct connection *c, const struct ike_sa *sa, unsigned type,
                              char out[REFUSAL_TEXT])
{
    int n = begin(type, out);
    char *rest = out + n, name[IDENTITY_TEXT];
    size_t left = REFUSAL_TEXT - (size_t)n;
    switch (type) {
    case NOTIFY_NO_PROPOSAL_CHOSEN: proposals_refused(c, rest, left); break;
    case NOTIFY_INVALID_ID_INFORMATION:
        snprintf(rest, left,
                 "it does not know our identity\nwe call ourselves %s\n"
                 "remedy: compare local_id with what the peer expects, word for word and in its kind (address, name, "
                 "user@name)",
                 identity_print(&sa->local_id, name));
        break;
    case NOTIFY_PAYLOAD_MALFORMED:
    case NOTIFY_AUTHENTICATION_FAILED: snprintf(rest, left, "%s", auth_remedy(c)); break;
    case NOTIFY_INVALID_KEY_INFORMATION:
        snprintf(rest, left, "it does not like our key exchange: compare the group of `ike`");
        break;
    case NOTIFY_UNSUPPORTED_EXCHANGE_TYPE:
        snprintf(rest, left, "it does not do this mode of phase 1: compare `mode` at both ends");
        break;
    default: snprintf(rest, left, "see the log of the peer"); break;
    }
    return out;
}

/* The selectors in the words of the other end. */
static void selectors_refused(const struct selector *asked, char *out, size_t len)
{
    char whole[SELECTOR_TEXT], ours[SELECTOR_TEXT], theirs[SELECTOR_TEXT];
    snprintf(out, len,
             "it has no such selectors\nwe ask for %s\n"
             "remedy: phase 2 of the peer must read, from its side, local %s and remote %s, with the same protocol and "
             "ports and the same masks",
             selector_print(asked, whole), selector_side_print(asked, false, theirs),
             selector_side_print(asked, true, ours));
}

const char *refusal_of_phase2(const struct proposal_list *offered, const struct selector *asked, unsigned type,
                              char out[REFUSAL_TEXT])
{
    int n = begin(type, out);
    char *rest = out + n, offer[REFUSAL_TEXT - 512];
    size_t left = REFUSAL_TEXT - (size_t)n;
    switch (type) {
    case NOTIFY_NO_PROPOSAL_CHOSEN:
        snprintf(rest, left,
                 "it accepts none of our `esp` proposals\n%s\n"
                 "remedy: compare each word with phase 2 of the peer (its \"IPsec policy\" or \"transform set\"), the "
                 "group of PFS too; its log tells what it wanted",
                 proposal_spell(offered, offer, sizeof offer));
        break;
    case NOTIFY_INVALID_ID_INFORMATION: selectors_refused(asked, rest, left); break;
    case NOTIFY_INVALID_KEY_INFORMATION:
        snprintf(rest, left, "it does not like our key exchange: compare the group (PFS) of `esp`");
        break;
    default: snprintf(rest, left, "see the log of the peer"); break;
    }
    return out;
}
