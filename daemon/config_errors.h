/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting what is wrong with a configuration. Text from the file must be quoted with log_escape by the caller. */
#ifndef DAEMON_CONFIG_ERRORS_H
#define DAEMON_CONFIG_ERRORS_H

#include "daemon/config.h"

/* line 0: the file as a whole. */
void config_error(struct config_errors *errors, unsigned line, const char *format, ...) PRINTF_LIKE(3, 4);
void config_warning(struct config_errors *errors, unsigned line, const char *format, ...) PRINTF_LIKE(3, 4);

/* By line; messages of one line stay in the order in which they were found. */
void config_errors_sort(struct config_errors *errors);

#endif
