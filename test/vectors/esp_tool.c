/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals or opens single packets for a referee outside: one request a line, one answer a line. Fields are separated by
 * blanks, numbers are decimal, bytes are hex:
 *     seal|open ENCR KEY_BITS INTEG KEYMAT SPI SEQUENCE ESN(0|1) FAMILY(4|6) PACKET
 * The packet is an inner IP packet to seal, or ESP from SPI to ICV to open. The answer is the result in hex, or
 * "drop REASON", or "error WORDS".
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp/open.h"
#include "esp/seal.h"

enum { KEYMAT_MAX = 128, FIELDS = 10, LINE_MAX_LEN = 2 * PACKET_BUFFER + 1024 };

struct request {
    bool seal;
    struct aead_suite suite;
    uint8_t keymat[KEYMAT_MAX];
    size_t keymat_len;
    uint32_t spi;
    uint64_t sequence;
    uint8_t family;
};

static int nibble(char c)
{
    const char *digits = "0123456789abcdef", *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

static bool from_hex(const char *hex, uint8_t *out, size_t capacity, size_t *len)
{
    for (*len = 0; *hex != '\0'; hex += 2, ++*len) {
        int high = nibble(hex[0]), low = high < 0 ? -1 : nibble(hex[1]);
        if (low < 0 || *len == capacity)
            return false;
        out[*len] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static bool parse(char *line, struct request *out, uint8_t *packet, size_t capacity, size_t *packet_len)
{
    char *field[FIELDS], *rest = line;
    for (size_t i = 0; i < FIELDS; i++) {
        field[i] = strsep(&rest, " \n");
        if (field[i] == NULL)
            return false;
    }
    *out = (struct request){
        .seal = strcmp(field[0], "seal") == 0,
        .suite = {.encr = (enum encr)strtoul(field[1], NULL, 10),
                  .key_bits = (uint16_t)strtoul(field[2], NULL, 10),
                  .integ = (enum integ)strtoul(field[3], NULL, 10),
                  .esn = strcmp(field[7], "1") == 0},
        .spi = (uint32_t)strtoul(field[5], NULL, 10),
        .sequence = strtoull(field[6], NULL, 10),
        .family = (uint8_t)strtoul(field[8], NULL, 10),
    };
    return from_hex(field[4], out->keymat, sizeof out->keymat, &out->keymat_len) &&
           from_hex(field[9], packet, capacity, packet_len);
}

static enum status make_sa(const struct request *request, const struct random *random, struct sa **out)
{
    struct secret key = {.data = (uint8_t *)(uintptr_t)request->keymat, .len = request->keymat_len};
    struct child child = {
        .spi_in = request->spi,
        .spi_out = request->spi,
        .suite = {.encr = (uint16_t)request->suite.encr,
                  .key_bits = request->suite.key_bits,
                  .integ = (uint16_t)request->suite.integ},
        .esn = request->suite.esn,
        .selector = {.local = range_any(request->family),
                     .remote = range_any(request->family),
                     .local_port = port_any(),
                     .remote_port = port_any()},
        .key_in = key,
        .key_out = key,
        .replay_window = REPLAY_WINDOW_MIN,
    };
    return sa_new(&child, NULL, random, out);
}

static enum drop work(struct sa *sa, const struct request *request, struct packet *p)
{
    enum drop why = DROP_COUNT;
    struct flow flow;
    sa->sequence = request->sequence - 1;
    if (request->seal) {
        esp_seal(sa, &p, &why, 1);
    } else {
        /* The number before was seen: so the window knows which high half is meant. */
        if (request->sequence > 1 && replay_accept(&sa->replay, request->sequence - 1) != OK)
            return DROP_IN_REPLAY;
        esp_open(sa, NULL, &p, &flow, &why, 1);
    }
    return why;
}

static void answer(char *line, uint8_t *buffer, const struct random *random)
{
    struct request request;
    struct sa *sa = NULL;
    size_t len = 0;
    if (!parse(line, &request, buffer + PACKET_HEADROOM, PACKET_PAYLOAD_MAX, &len)) {
        printf("error the line has the wrong form\n");
        return;
    }
    enum status status = make_sa(&request, random, &sa);
    if (status != OK) {
        printf("error %s\n", status_text(status));
        return;
    }
    struct packet p = {.buffer = buffer, .capacity = PACKET_BUFFER, .offset = PACKET_HEADROOM, .len = (uint32_t)len};
    enum drop why = work(sa, &request, &p);
    if (why != DROP_NONE)
        printf("drop %s", drop_name(why));
    for (uint32_t i = 0; why == DROP_NONE && i < p.len; i++)
        printf("%02x", packet_data(&p)[i]);
    printf("\n");
    sa_free(sa);
}

int main(void)
{
    char *line = malloc(LINE_MAX_LEN);
    uint8_t *buffer = malloc(PACKET_BUFFER);
    struct random random = random_system();
    if (line == NULL || buffer == NULL)
        return 1;
    while (fgets(line, LINE_MAX_LEN, stdin) != NULL) {
        answer(line, buffer, &random);
        fflush(stdout);
    }
    free(buffer);
    free(line);
    return 0;
}
