/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The subcommands. Each returns an exit status; argv[0] is "capstub NAME". */
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

int format_main(int argc, char **argv);
int info_main(int argc, char **argv);
int wipe_main(int argc, char **argv);
int report_main(int argc, char **argv);
int save_main(int argc, char **argv);
int collect_main(int argc, char **argv);
int words_main(int argc, char **argv);
int load_main(int argc, char **argv);
int unload_main(int argc, char **argv);
int setup_main(int argc, char **argv);
int sign_main(int argc, char **argv);
int status_main(int argc, char **argv);
int check_main(int argc, char **argv);
int test_main(int argc, char **argv);
int recv_main(int argc, char **argv);

#endif
