/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1.h"

#include "ike/sa.h"
#include "ike/v1_fragment.h"

static void dispatch(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                     struct bytes message)
{
    if (header->exchange == EXCHANGE_MAIN) {
        v1_main_input(ike, sa, header, path, message);
        return;
    }
    if (header->exchange == EXCHANGE_AGGRESSIVE) {
        v1_aggressive_input(ike, sa, header, path, message);
        return;
    }
    if (sa == NULL) {
        ike_drop(ike, IKE_DROP_UNKNOWN_SA, path, "cookies that are not ours");
        return;
    }
    if (sa->state == SA_WAIT_HASH && header->flags & FLAG_ENCRYPTION) {
        v1_aggressive_overtaken(ike, sa, path);
        return;
    }
    switch (header->exchange) {
    case EXCHANGE_TRANSACTION: v1_config_input(ike, sa, header, path, message); break;
    case EXCHANGE_QUICK: v1_quick_input(ike, sa, header, path, message); break;
    case EXCHANGE_INFORMATIONAL: v1_info_input(ike, sa, header, path, message); break;
    default: ike_drop(ike, IKE_DROP_STATE, path, "exchange type %u is not spoken here", header->exchange); break;
    }
}

static void input(struct ike *ike, const struct ike_header *header, const struct path *path, struct bytes message)
{
    struct ike_sa *sa = ike_sa_find(ike, header->spi_i, header->spi_r);
    struct ike_header whole = *header;
    if (header->next_payload == PAYLOAD_FRAGMENT && sa == NULL) {
        /* Also of a first message: its sender has not shown that it can be reached, so we hold nothing for it. */
        ike_drop(ike, IKE_DROP_UNKNOWN_SA, path, "a fragment for cookies that are not ours");
        return;
    }
    if (header->next_payload == PAYLOAD_FRAGMENT && !v1_fragment_input(ike, sa, &whole, path, message, &message))
        return;
    dispatch(ike, sa, &whole, path, message);
}

static enum status initiate(struct ike *ike, struct peer *peer)
{
    return connection_of(ike, peer->connection)->mode == MODE_AGGRESSIVE ? v1_aggressive_initiate(ike, peer)
                                                                         : v1_main_initiate(ike, peer);
}

static void forget_exchanges(struct ike *ike, struct ike_sa *sa, const char *why)
{
    v1_quick_forget_all(ike, sa, why);
    v1_config_free(ike, sa);
}

const struct version ike_version1 = {
    .number = 1,
    .input = input,
    .initiate = initiate,
    .send = v1_send,
    .forget_fragments = v1_fragments_forget,
    .create_child = v1_quick_initiate,
    .delete_child = v1_info_delete_child,
    .delete_sa = v1_info_delete_sa,
    .probe = v1_info_probe,
    .forget_exchanges = forget_exchanges,
    .forget_gone = v1_quick_forget_gone,
    .renumber = v1_quick_renumber,
    .is_creating = v1_quick_is_creating,
    .has_room = v1_quick_has_room,
    .is_creating_any = v1_quick_is_creating_any,
};
