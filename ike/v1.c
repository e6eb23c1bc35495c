/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1.h"

#include "ike/sa.h"

static void input(struct ike *ike, const struct ike_header *header, const struct path *path, struct bytes message)
{
    struct ike_sa *sa = ike_sa_find(ike, header->spi_i, header->spi_r);
    if (header->exchange == EXCHANGE_MAIN) {
        v1_main_input(ike, sa, header, path, message);
        return;
    }
    if (sa == NULL) {
        ike_drop(ike, IKE_DROP_UNKNOWN_SA, path, "cookies that are not ours");
        return;
    }
    switch (header->exchange) {
    case EXCHANGE_QUICK: v1_quick_input(ike, sa, header, path, message); break;
    case EXCHANGE_INFORMATIONAL: v1_info_input(ike, sa, header, path, message); break;
    default: ike_drop(ike, IKE_DROP_STATE, path, "exchange type %u is not spoken here", header->exchange); break;
    }
}

const struct version ike_version1 = {
    .number = 1,
    .input = input,
    .initiate = v1_main_initiate,
    .create_child = v1_quick_initiate,
    .delete_child = v1_info_delete_child,
    .delete_sa = v1_info_delete_sa,
    .probe = v1_info_probe,
    .forget_exchanges = v1_quick_forget_all,
    .is_creating = v1_quick_is_creating,
    .has_room = v1_quick_has_room,
};
