/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Test builds only: session keys as Wireshark's tables, for a referee to decrypt what we send. Without the macro
 * ESPTUN_KEYLOG none of this is compiled.
 */
#ifndef DAEMON_KEYLOG_H
#define DAEMON_KEYLOG_H

#ifdef ESPTUN_KEYLOG

/* Appends the line to the file `table` in the folder that the environment variable ESPTUN_KEYLOG_DIR names; without
 * the variable nothing happens. Fits ike_ops.keylog. */
void keylog_line(void *arg, const char *table, const char *line);

#endif
#endif
