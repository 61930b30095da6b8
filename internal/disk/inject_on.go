//go:build faultdisk

package disk

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Injected is the variable that says, in a program built with the tag faultdisk, which
// operation goes wrong and how: "17:EIO". The program counts its operations from 1. Or
// where each of them is to be written down: "FILE:LIST".
const Injected = "EVABENCH_FAULT_DISK"

// injected is what the variable says: EIO once; ENOSPC from there on, and the first
// write half done; EROFS from there on; CUT, the end of the process as by kill -9, a
// write half done.
var injected = func() func(Op) error {
	at, how, ok := strings.Cut(os.Getenv(Injected), ":")
	if how == "LIST" {
		return func(op Op) error { return list(at, op) }
	}
	k, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil {
		return nil
	}
	var n atomic.Int64
	return func(op Op) error {
		i := n.Add(1)
		if i < k || i > k && how == "EIO" {
			return nil
		}
		if i == k {
			fmt.Fprintf(os.Stderr, "injected: %s at operation %d, %s %s\n", how, k, op.Kind, op.Path)
		}
		switch {
		case how == "EROFS":
			return syscall.EROFS
		case how == "EIO":
			return syscall.EIO
		case how == "ENOSPC" && op.Kind == Write:
			return &Short{len(op.Data) / 2, syscall.ENOSPC}
		case how == "ENOSPC" && (op.Kind == Create || op.Kind == Mkdir):
			return syscall.ENOSPC
		case how == "ENOSPC":
			return nil // names and removals need no room
		case how == "CUT":
			if op.Kind == Write {
				if f, err := os.OpenFile(op.Path, os.O_WRONLY|os.O_APPEND, 0); err == nil {
					f.Write(op.Data[:len(op.Data)/2])
				}
			}
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		select {} // killed
	}
}()

// list adds an operation to a file, which it does not count.
func list(file string, op Op) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, op.Kind, op.Path)
	return err
}
