package partition

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A holder says which process began something, and when. What is unknown is empty.
type holder struct {
	PID     int       `json:"pid"`
	User    string    `json:"user,omitempty"`
	Command string    `json:"command,omitempty"`
	Since   time.Time `json:"begun"`
	BootID  string    `json:"boot_id,omitempty"`
}

// thisProcess is this process as the holder of what begins now.
func thisProcess() holder {
	words := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	return holder{
		PID: os.Getpid(), User: userName(), Command: strings.Join(words, " "),
		Since: time.Now().UTC(), BootID: bootID(),
	}
}

// userName is the name of this process's user, or the number where it has none.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Geteuid())
}

// bootID names the present boot of the host; empty where Linux does not tell.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// String tells the holder as people say it, in local time: "pid 123 (evabench
// sweep x.yaml) of root since 12:03:04".
func (h holder) String(now time.Time) string {
	text := fmt.Sprintf("pid %d", h.PID)
	if h.Command != "" {
		text += " (" + h.Command + ")"
	}
	if h.User != "" {
		text += " of " + h.User
	}
	since, now := h.Since.Local(), now.Local()
	form := time.TimeOnly
	if since.Format(time.DateOnly) != now.Format(time.DateOnly) {
		form = time.DateTime
	}
	text += " since " + since.Format(form)
	if boot := bootID(); h.BootID != "" && boot != "" && h.BootID != boot {
		text += ", on another host or boot"
	}
	return text
}
