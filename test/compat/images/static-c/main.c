#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;
int main(int argc, char **argv) {
  char cwd[4096];
  struct stat root;
  for (int i = 0; i < argc; i++) printf("argv[%d]=«%s»\n", i, argv[i]);
  for (char **e = environ; *e; e++) printf("env %s\n", *e);
  stat("/", &root);
  printf("uid %d gid %d groups %d cwd %s root %o umask %o pid %d\n", getuid(), getgid(), getgroups(0, NULL), getcwd(cwd, sizeof cwd), root.st_mode & 07777, umask(0), getpid());
  fprintf(stderr, "to stderr\n");
  return 23;
}
