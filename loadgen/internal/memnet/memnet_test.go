package memnet

import (
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A deadline ends a read that waits, and a later one lets it wait again.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		defer a.Close()
		start := time.Now()
		for i := range 2 {
			a.SetReadDeadline(time.Now().Add(time.Second))
			_, err := a.Read(make([]byte, 1))
			if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || took != time.Duration(i+1)*time.Second {
				t.Errorf("%v after %v", err, took)
			}
		}
		a.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Hour, func() { b.Close() })
		if _, err := a.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("a peer that went: %v", err)
		}
	})
}

// Room is what can be written before anything is read.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.Write(make([]byte, room+1))
		if n != room || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes were written, %v; want %d", n, err, room)
		}
		a.Close()
		if got, err := io.ReadAll(b); len(got) != room || err != nil {
			t.Errorf("%d bytes could be read after the end, %v", len(got), err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("a write to who has gone: %v", err)
		}
	})
}

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "hello")
		}()
		c, err := l.Dial(t.Context(), "tcp", "anywhere:1")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, []byte("hello")) {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()
		l.Close()
		if _, err := l.Dial(t.Context(), "tcp", "anywhere:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a closed listener: %v", err)
		}
	})
}
