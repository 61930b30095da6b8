//go:build real

package realtest

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/evabench/evabench/report"
	"github.com/evabench/evabench/report/formats"
)

// A browser is one tab of a real one, with what it complained of and asked for.
type browser struct {
	context.Context
	t *testing.T

	mu     sync.Mutex
	told   []string // what stands in its console, and dialogs
	asked  []string // addresses
	length int      // of the page, in bytes
}

// startBrowser starts Chromium, which ends with the test.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{chromedp.ExecPath(env(t, "EVABENCH_CHROMIUM"))})
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{Context: ctx, t: t}
	b.do(chromedp.EmulateViewport(1280, 800), chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, network.Enable, network.EnableParams{})
		return err
	}))
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.asked = append(b.asked, e.Request.URL)
	case *runtime.EventConsoleAPICalled:
		text := "console." + string(e.Type)
		for _, a := range e.Args {
			text += " " + string(a.Value) + a.Description
		}
		b.told = append(b.told, text)
	case *runtime.EventExceptionThrown:
		b.told = append(b.told, "exception: "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		b.told = append(b.told, string(e.Entry.Level)+": "+e.Entry.Text)
	case *cdppage.EventJavascriptDialogOpening:
		b.told = append(b.told, "dialog: "+e.Message)
	}
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// valueIn gives the value of an expression in the page.
func valueIn[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// script runs statements in the page.
func (b *browser) script(statements string) {
	b.t.Helper()
	valueIn[bool](b, "(() => { "+statements+"; return true; })()")
}

// open shows a document's page, from a file, at an anchor if it is not empty.
func (b *browser) open(d *report.Document, anchor string) {
	b.t.Helper()
	var made bytes.Buffer
	if err := formats.Write("html", &made, d); err != nil {
		b.t.Fatal(err)
	}
	b.length = made.Len()
	file := filepath.Join(b.t.TempDir(), "report.html")
	if err := os.WriteFile(file, made.Bytes(), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	b.told, b.asked = nil, nil
	b.mu.Unlock()
	address := url.URL{Scheme: "file", Path: file, Fragment: anchor}
	b.do(chromedp.Navigate(address.String()))
	b.until("document.documentElement.dataset.ready === 'true'")
}

// until waits for an expression to be true.
func (b *browser) until(expression string) {
	b.t.Helper()
	if _, err := chromedp.Run(b, chromedp.Poll[bool](expression, chromedp.WithPollingTimeout(20*time.Second))); err != nil {
		b.t.Fatalf("%s is never true: %v; the browser told %q", expression, err, b.told)
	}
}

// quiet fails if the page asked for anything but itself, or complained.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, text := range b.told {
		b.t.Errorf("the browser told: %.300s", text)
	}
	for i, address := range b.asked {
		if u, err := url.Parse(address); err != nil || i > 0 && u.Scheme != "data" {
			b.t.Errorf("the page asked for %.300s", address)
		}
	}
	if len(b.asked) == 0 {
		b.t.Error("no request was seen, not even that for the page: requests are not watched")
	}
}

// media puts the browser into dark or light, on a screen or on paper.
func (b *browser) media(medium, scheme string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: medium, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}
