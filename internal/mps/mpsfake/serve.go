package mpsfake

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/evabench/evabench/internal/mps"
)

// firstLine bounds how long a connection may take to say what it wants.
const firstLine = 10 * time.Second

// A message is one line on a connection, in JSON. The first comes from the side
// that connects and holds one of the first three.
type message struct {
	Command string  `json:"command,omitempty"`
	Client  *Client `json:"client,omitempty"`
	Fault   bool    `json:"fault,omitempty"`

	Said   string  `json:"said,omitempty"`
	Error  string  `json:"error,omitempty"`
	Limits *Limits `json:"limits,omitempty"`
}

// serve is a daemon's life.
func serve(f folders, lock *os.File, env func(string) string) error {
	defer lock.Close() // the lock is held until the process ends
	logFile, err := os.OpenFile(filepath.Join(f.log, "control.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logFile.Close()
	logger := log.New(logFile, fmt.Sprintf("[%s %d] ", "Control", os.Getpid()), log.LstdFlags|log.Lmicroseconds)
	logger.Print(simulated)
	if err := os.Remove(f.socket()); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a daemon that was killed
		return err
	}
	listener, err := net.Listen("unix", f.socket())
	if err != nil {
		logger.Print(err)
		return err
	}
	if err := os.WriteFile(f.pid(), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return errors.Join(err, listener.Close())
	}
	logger.Printf("Starting control daemon using socket %s", f.socket())

	watched, err := watch(f)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	d := newDaemon(os.Geteuid(), env(mps.DeviceVariable), logger)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		defer listener.Close() // and its socket's file
		look := time.NewTicker(lookEach)
		defer look.Stop()
		for {
			select {
			case <-stop:
				logger.Print("ended by a signal")
				d.end()
				return
			case <-d.ended:
				return
			case <-look.C:
				if watched.gone() {
					logger.Print("ended, since its folder or program is gone")
					d.end()
					return
				}
			}
		}
	}()
	var handlers sync.WaitGroup
	for {
		conn, err := listener.Accept()
		if err != nil {
			break
		}
		handlers.Go(func() { d.handle(conn) })
	}
	waitFor(&handlers, time.Second)
	logger.Print("Exit")
	if err := os.Remove(f.pid()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lookEach is how often a daemon looks whether it still has its place.
const lookEach = 500 * time.Millisecond

// A place is what a daemon must have to go on: a simulated one outlives neither its
// pipe folder nor the program that started it, as a real one would.
type place struct {
	pipe, program string
	info          fs.FileInfo
	missed        bool // the program, at the last look
}

func watch(f folders) (*place, error) {
	info, err := os.Stat(f.pipe)
	if err != nil {
		return nil, err
	}
	return &place{pipe: f.pipe, program: os.Args[0], info: info}, nil
}

// gone is for sure: a program that is replaced is missing for a moment.
func (p *place) gone() bool {
	info, err := os.Stat(p.pipe)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, p.info) {
		return true
	}
	missed := false
	if filepath.IsAbs(p.program) {
		_, err := os.Lstat(p.program)
		missed = errors.Is(err, fs.ErrNotExist)
	}
	before := p.missed
	p.missed = missed
	return missed && before
}

// waitFor lets last answers be written.
func waitFor(handlers *sync.WaitGroup, limit time.Duration) {
	done := make(chan struct{})
	go func() {
		handlers.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// handle answers one connection, and is a client's life.
func (d *daemon) handle(conn net.Conn) {
	defer conn.Close()
	var m message
	in := bufio.NewReader(conn)
	if err := conn.SetReadDeadline(time.Now().Add(firstLine)); err != nil {
		return
	}
	line, err := in.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &m) != nil {
		return
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		in.ReadByte() // nothing more is ever sent: this ends with the connection
	}()
	switch {
	case m.Client != nil:
		d.connected(conn, *m.Client, gone)
	case m.Fault:
		d.fault()
		reply(conn, message{})
	default:
		d.log.Printf("Accepting command %q", m.Command)
		said, err := d.command(strings.Fields(m.Command), gone)
		if err != nil {
			d.log.Printf("Refused %q: %v", m.Command, err)
			reply(conn, message{Error: err.Error()})
			return
		}
		reply(conn, message{Said: said})
	}
}

// connected admits a client and keeps it until it, or its server, ends.
func (d *daemon) connected(conn net.Conn, c Client, gone <-chan struct{}) {
	one, server, err := d.admit(c, gone)
	if err != nil {
		d.log.Printf("Client %d of user %d not admitted: %v", c.PID, c.UID, err)
		reply(conn, message{Error: err.Error()})
		return
	}
	defer d.leave(server, one)
	d.log.Printf("NEW CLIENT %d from user %d: Server %d", c.PID, c.UID, server.pid)
	if reply(conn, message{Limits: &one.limits}) != nil {
		return
	}
	select {
	case <-gone:
	case <-one.ended:
		reply(conn, message{Error: one.why})
	case <-one.faulted:
		if reply(conn, message{Error: ErrFault.Error()}) != nil {
			return
		}
		select { // it stands in the list until it has left
		case <-gone:
		case <-one.ended:
		}
	}
	d.log.Printf("Client %d disconnected", c.PID)
}

func reply(conn net.Conn, m message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = conn.Write(append(line, '\n'))
	return err
}
