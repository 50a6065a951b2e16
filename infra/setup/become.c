/* Lets `make dev` become the supervisor it starts, in place of waiting for it.
 *
 * A make that is told to stop (Ctrl-C, SIGTERM) stops its child and then dies of the signal itself, whatever the child
 * answered: `make dev` could never end with exit 0. GNU make loads this file (`load` in the Makefile) and gains a function:
 * $(become COMMAND) replaces the make process by `sh -c COMMAND`, so signals and the exit code are the command's own.
 * Where make cannot load, the Makefile runs the command as an ordinary recipe. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* From gnumake.h, which not every system installs. The symbol says that this file's licence goes with GNU make's. */
int plugin_is_GPL_compatible;
typedef char *(*function)(const char *name, unsigned int argc, char **argv);
void gmk_add_function(const char *name, function body, unsigned int min_args, unsigned int max_args, unsigned int flags);

static char *become(const char *name, unsigned int argc, char **argv) {
  sigset_t none;
  (void)name;
  (void)argc;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  fflush(NULL);
  execl("/bin/sh", "sh", "-c", argv[0], (char *)NULL);
  perror("become");
  exit(2);
}

int become_gmk_setup(void) {
  gmk_add_function("become", become, 1, 1, 0);
  return 1;
}
