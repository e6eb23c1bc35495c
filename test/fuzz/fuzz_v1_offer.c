/* SPDX-License-Identifier: Apache-2.0 */
/* The SA payload of both phases: an even first byte is phase 1, an odd one phase 2. What is usable can be chosen, and
 * its answer is accepted. */
#include <stdlib.h>

#include "ike/v1_proposal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* SHA2-256 is whichever truncation ours is; nothing else that differs fits. */
static void check_fit(const struct v1_transform *t)
{
    struct proposal_list list = {.items[0] = t->suite, .count = 1};
    require(v1_suite_of(&list, t) == &list.items[0]);
    list.items[0].integ = INTEG_HMAC_SHA2_256_96;
    require((v1_suite_of(&list, t) != NULL) == (t->suite.integ == INTEG_HMAC_SHA2_256_128));
    list.items[0] = t->suite;
    list.items[0].esn = !t->suite.esn;
    require(v1_suite_of(&list, t) == NULL);
}

/* Whoever offered this transform alone would have to like the answer to it. */
static void answer(enum proposal_kind kind, const struct v1_transform *t)
{
    static uint8_t buffer[1 << 17];
    const struct v1_terms terms = {.kind = kind,
                                   .auth = t->auth,
                                   .encap = t->encap,
                                   .spi = 0x12345678,
                                   .life_seconds = t->life_seconds,
                                   .life_kilobytes = t->life_kilobytes};
    const struct proposal_list list = {.items[0] = t->suite, .count = 1};
    struct writer w = writer_of(buffer, sizeof buffer);
    static struct v1_offer read;
    size_t index = 99;
    v1_answer_write(&w, &terms, t);
    require(!w.failed);
    require(v1_offer_read(kind, writer_bytes(&w), &read) == OK);
    require(v1_answer_check(&read, &terms, &list, &index) == OK && index == 0);
    check_fit(&read.items[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct v1_offer offer;
    struct proposal_list list;
    char text[EXPLAIN_TEXT];
    if (size < 1)
        return 0;
    enum proposal_kind kind = data[0] & 1 ? PROPOSAL_ESP : PROPOSAL_IKE;
    enum status status = v1_offer_read(kind, bytes_of(data + 1, size - 1), &offer);
    require(offer.count <= TRANSFORMS_MAX);
    if (status != OK)
        return 0;
    for (size_t i = 0; i < offer.count; i++)
        if (offer.items[i].usable)
            answer(kind, &offer.items[i]);
    v1_offer_list(&offer, &list);
    require(list.count <= PROPOSALS_MAX);
    (void)proposal_explain(&list, &list, text, sizeof text);
    return 0;
}
