/* SPDX-License-Identifier: Apache-2.0 */
/* Any line of a client of the control socket. */
#include <stdlib.h>
#include <string.h>

#include "daemon/explain_query.h"
#include "daemon/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* A right question is printed in a form that means the same. */
static void explain(struct bytes text)
{
    struct explain_query query, again;
    char why[512] = "", between[EXPLAIN_QUERY_TEXT], arrow[EXPLAIN_QUERY_TEXT], same[EXPLAIN_QUERY_TEXT];
    if (explain_query_parse(text, &query, why, sizeof why) != OK) {
        require(why[0] != '\0');
        return;
    }
    explain_query_print(&query, " ", between);
    explain_query_print(&query, " -> ", arrow);
    require(explain_query_parse(bytes_of(between, strlen(between)), &again, why, sizeof why) == OK);
    require(again.told == query.told && strcmp(explain_query_print(&again, " ", same), between) == 0);
    require(explain_query_parse(bytes_of(arrow, strlen(arrow)), &again, why, sizeof why) == OK);
    require(again.told == query.told && strcmp(explain_query_print(&again, " ", same), between) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request request;
    const char *why = NULL;
    if (request_parse(bytes_of(data, size), &request, &why) != OK) {
        require(why != NULL && *why != '\0');
        return 0;
    }
    size_t len = strnlen(request.name, sizeof request.name);
    require(len < sizeof request.name);
    bool wants_name = request.verb == REQUEST_UP || request.verb == REQUEST_DOWN || request.verb == REQUEST_REKEY;
    require(wants_name ? len > 0 : len == 0 || request.verb == REQUEST_LOG);
    /* The name goes into answers and the log as it is. */
    for (size_t i = 0; i < len; i++)
        require(request.name[i] > ' ' && request.name[i] < 0x7f);
    size_t text_len = strnlen(request.text, sizeof request.text);
    require(text_len < sizeof request.text);
    require((request.verb == REQUEST_EXPLAIN) == (text_len > 0));
    if (request.verb == REQUEST_EXPLAIN)
        explain(bytes_of(request.text, text_len));
    return 0;
}
