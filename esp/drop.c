/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/drop.h"

const char *drop_name(enum drop drop)
{
#define ESP_DROP_NAME(id, name) [id] = (name),
    static const char *const names[DROP_COUNT] = {ESP_DROPS(ESP_DROP_NAME)};
#undef ESP_DROP_NAME

    if (drop == DROP_NONE)
        return "none";
    return (unsigned)drop < DROP_COUNT ? names[drop] : "unknown";
}
