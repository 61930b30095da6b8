package analysis

import (
	"fmt"

	"github.com/evabench/evabench/analysis/stats"
)

// An HTTPLoad is what a server's HTTP part tells of the requests in it (vLLM's /load), in a
// step's window. A figure of a service is the sum of its instances', the most is at one.
type HTTPLoad struct {
	// Mean is the mean over time of the requests that the server had, Max the most at any
	// reading.
	Mean Figure `json:"mean"`
	Max  Figure `json:"max"`
	// Frontend is how many of them the engine told neither as running nor as waiting, the
	// means over time of both:
	//
	//	frontend = in the server - (running + waiting)
	//
	// It is the part of the Backlog that is in the server itself, and not on the way or in a
	// proxy.
	Frontend Figure `json:"frontend"`
	// Readings are those of the window that Mean is from.
	Readings int64 `json:"readings"`
}

// httpTold says how much of what we had in flight a server has to tell, on average over its
// readings, to be said to tell all of it. It counts a request from when its body is read to
// when its answer is sent, so that it tells a little less than we had.
const httpTold = 0.5

// load takes what the HTTP part of the instance's server tells; nil where nothing read it.
func (q *endpointQueue) load() *HTTPLoad {
	p := q.p.http
	if p == nil {
		return nil
	}
	points, err := p.total(q.r.window, p.engine.http)
	var g gauge
	if err == nil {
		g, err = p.gaugeOf(points, q.r.window)
	}
	if err != nil {
		none := untold("1", err)
		return &HTTPLoad{Mean: none, Max: none, Frontend: none}
	}
	from := p.source + " " + p.engine.http
	l := &HTTPLoad{Mean: resting(g.mean, "1", FromLoad, from), Max: resting(g.max, "1", FromLoad, from), Readings: g.readings}
	told, ours := q.r.besides(p.instance, points)
	if told < httpTold*ours {
		l.Mean.Note = fmt.Sprintf("at its readings %.3g of our %.3g requests in flight: it is one of several API processes, or others are on the way", told, ours)
	}
	l.Frontend = q.frontend(l.Mean)
	return l
}

// frontend takes what the engine tells off what the server tells.
func (q *endpointQueue) frontend(server Figure) Figure {
	p := q.p
	if p.source == "" || p.engine.running == "" || p.engine.waiting == "" {
		return untold("1", fmt.Errorf("no page tells the running and the waiting requests of %s", p.instance))
	}
	points, err := p.total(q.r.window, p.engine.running, p.engine.waiting)
	var g gauge
	if err == nil {
		g, err = p.gaugeOf(points, q.r.window)
	}
	if err != nil {
		return untold("1", err)
	}
	f := resting(*server.Number-g.mean, "1", FromLoad, server.From+" - ("+p.engine.running+" + "+p.engine.waiting+")")
	f.Note = server.Note
	return f
}

// besides gives the means over readings of what was told, and of what we had in flight at
// the same moments.
func (r serviceReader) besides(instance string, points []stats.Point) (told, ours float64) {
	for _, p := range points {
		told += p.Value / float64(len(points))
		ours += r.inFlight(instance, p.At) / float64(len(points))
	}
	return told, ours
}

// judgeLoad judges what a server's HTTP part tells. A server that does not count its requests
// tells that it has none, so that 0 at each reading is no evidence if we had some there.
func (r serviceReader) judgeLoad(p *page) PageTrust {
	t := r.judgePage(p)
	points, err := p.total(r.window, p.engine.http)
	if err != nil || len(points) == 0 {
		return t
	}
	told, ours := r.besides(p.instance, points)
	switch {
	case told > 0 && ours > 0:
		t.Verdict, t.Why = Believed, fmt.Sprintf("it told a mean of %.3g requests at its %d readings, at which we had %.3g in flight", told, len(points), ours)
	case ours > 0:
		t.Verdict = NotBelieved
		t.Why = fmt.Sprintf("it told 0 at each of %d readings, at which we had a mean of %.3g requests in flight: vLLM counts them only with --enable-server-load-tracking", len(points), ours)
		p.doubt = fmt.Errorf("the %s page of %s is not believed: %s", p.source, p.instance, t.Why)
	default:
		t.Why = "we had no request in flight at its readings"
	}
	return t
}

// loadTogether gives the figures of a service; nil where no instance's was read. One that is
// not told leaves that of the service unknown.
func loadTogether(all []*endpointQueue) *HTTPLoad {
	var total HTTPLoad
	var mean, most, frontend []*Figure
	read := false
	for _, q := range all {
		l := q.w.HTTP
		if l == nil {
			none := untold("1", fmt.Errorf("the requests in the HTTP part of %s were not read", q.p.instance))
			l = &HTTPLoad{Mean: none, Max: none, Frontend: none}
		} else {
			read = true
		}
		mean, most, frontend = append(mean, &l.Mean), append(most, &l.Max), append(frontend, &l.Frontend)
		total.Readings += l.Readings
	}
	if !read {
		return nil
	}
	total.Mean, total.Max, total.Frontend = summed(mean), largest(most), summed(frontend)
	return &total
}
