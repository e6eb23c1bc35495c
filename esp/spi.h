/* SPDX-License-Identifier: Apache-2.0 */
/* What an SPI of ours tells: the worker that its SA is of, so that a packet can be led to the right one before anybody
 * has looked it up. We choose it so (sad_new_spi). */
#ifndef ESP_SPI_H
#define ESP_SPI_H

#include <stddef.h>
#include <stdint.h>

enum { SHARDS_MAX = 16 };

/* The shard that the SPI tells, of so many. A SPI that is not ours may tell one that there is not: then it is 0. */
static inline uint8_t spi_shard(uint32_t spi, size_t shards)
{
    uint32_t shard = spi & (SHARDS_MAX - 1);
    return (uint8_t)(shard < shards ? shard : 0);
}

#endif
