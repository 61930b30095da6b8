package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
)

// The first arguments with which this program is a server that a scenario starts, and
// what that leaves behind if nobody ends it.
const (
	workerCommand = "torture-worker"
	lingerCommand = "torture-linger"
)

// asked carries out what this program is asked for as a server, and reports whether
// it was.
func asked(args []string) (bool, error) {
	switch {
	case len(args) == 3 && args[1] == workerCommand:
		return true, work(args[0], args[2])
	case len(args) == 2 && args[1] == lingerCommand:
		select {}
	}
	return false, nil
}

// work is a detector on a port of loopback. A child of it lives on in a session of its
// own, as the workers of real servers do; it is started by the name of this program, so
// that its command line shows whose it is.
func work(name, port string) error {
	c := exec.Command("/proc/self/exe")
	c.Args = []string{name, lingerCommand}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return err
	}
	fmt.Println("serving on", port)
	return http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"predictions":[{"box":[1,2,3,4],"label":"cat","score":0.9}]}`)
	}))
}

// runAsked is asked for this process.
func runAsked() {
	was, err := asked(os.Args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		syscall.Exit(1)
	}
	if was {
		syscall.Exit(0)
	}
}
