package analysis

import (
	"fmt"

	"github.com/evabench/evabench/analysis/stats"
	"github.com/evabench/evabench/internal/units"
	"github.com/evabench/evabench/results"
)

// OverheadLimit is the share of the time between sending and answer above which
// what HTTP cost is warned of.
const OverheadLimit = 0.05

// An Overhead is what lies between the time that a server took for requests by
// its own clock and the time that they took to the client: HTTP, sockets, and
// both programs' work for them. Both sides are of the requests that ended
// between two readings of the server's counters, the outermost of the window,
// of which they must span 80 %; they may differ by those that were on their way
// at a reading.
type Overhead struct {
	Instance string `json:"instance,omitempty"` // empty for all of a service
	// Client is the mean from Sent to Done of the ok answers, Server the mean
	// from arrival to answer by the server's clock.
	Client  Value `json:"client_mean"`
	Server  Value `json:"server_mean"`
	ClientN int64 `json:"client_n"`
	ServerN int64 `json:"server_n"`
	Cost    Value `json:"cost"`  // Client - Server
	Share   Value `json:"share"` // Cost ÷ Client
}

// ownTimes are the readings of an instance's two counters.
type ownTimes struct {
	instance       string
	finished, took []stats.Point // ascending
}

// ownTimes gives the counters of a service's instances, in the cell's order;
// those that tell none are left out.
func (p pages) ownTimes(cell results.Cell, service string) []ownTimes {
	var list []ownTimes
	for _, i := range cell.Instances {
		r := p[i.Name][results.SourceServer]
		if i.Service == service && r != nil {
			list = append(list, ownTimes{i.Name, r[results.SeriesServerFinished][""], r[results.SeriesServerTook][""]})
		}
	}
	return list
}

// late gives the last reading of the most that the server's timer was late.
func (p pages) late() *float64 {
	for _, sources := range p {
		if points := sources[results.SourceServer][results.SeriesServerLate][""]; len(points) > 0 {
			return &points[len(points)-1].Value
		}
	}
	return nil
}

// overheads gives the Overhead of the service and of each instance; nil where
// nothing tells.
func (r serviceReader) overheads() (*Overhead, []Overhead) {
	if len(r.own) == 0 {
		return nil, nil
	}
	var all pair
	var list []Overhead
	why := ""
	for _, o := range r.own {
		one, err := r.between(o)
		if err != nil {
			why = fmt.Sprintf("%s: %v", o.instance, err)
		}
		all.add(one)
		list = append(list, r.overhead(o.instance, one, err))
	}
	var err error
	if why != "" {
		err = fmt.Errorf("%s", why)
	}
	total := r.overhead("", all, err)
	return &total, list
}

// A pair is what server and client counted between two readings, in seconds.
type pair struct {
	serverN, clientN         int64
	serverTook, clientServed float64
}

func (s *pair) add(o pair) {
	s.serverN, s.clientN = s.serverN+o.serverN, s.clientN+o.clientN
	s.serverTook, s.clientServed = s.serverTook+o.serverTook, s.clientServed+o.clientServed
}

// between counts what ended between the outermost readings of the window.
func (r serviceReader) between(o ownTimes) (s pair, err error) {
	took := map[float64]float64{}
	for _, p := range o.took {
		took[p.At] = p.Value
	}
	var inside []stats.Point
	for _, p := range o.finished {
		if _, told := took[p.At]; told && p.At >= r.window.from.Seconds() && p.At <= r.window.to.Seconds() {
			inside = append(inside, p)
		}
	}
	if len(inside) < 2 {
		return s, fmt.Errorf("fewer than two readings within the window")
	}
	first, last := inside[0], inside[len(inside)-1]
	if share := (last.At - first.At) / r.window.seconds(); share < covers {
		return s, fmt.Errorf("readings cover %.0f %% of the window, need %.0f %%", share*100, covers*100)
	}
	s.serverN, s.serverTook = int64(last.Value-first.Value), took[last.At]-took[first.At]
	if s.serverN < 0 || s.serverTook < 0 {
		return pair{}, fmt.Errorf("the server's counters went back")
	}
	for _, a := range r.tally.okDone[o.instance] {
		if at := a.done.Seconds(); at > first.At && at <= last.At {
			s.clientN++
			s.clientServed += a.done.Sub(a.sent).Seconds()
		}
	}
	return s, nil
}

// overhead makes an Overhead of counts. They must be of nearly the same
// requests: apart by no more than were in flight at both readings, and a
// twentieth.
func (r serviceReader) overhead(instance string, s pair, err error) Overhead {
	o := Overhead{Instance: instance, ServerN: s.serverN, ClientN: s.clientN}
	apart := s.serverN - s.clientN
	switch {
	case err != nil:
	case s.serverN == 0 || s.clientN == 0:
		err = fmt.Errorf("nothing ended between the readings")
	case float64(abs(apart)) > float64(2*r.integrity.PeakInFlight)+0.05*float64(s.serverN):
		err = fmt.Errorf("the server finished %d requests, we had %d ok answers", s.serverN, s.clientN)
	}
	if err != nil {
		none := unknown("s", err.Error())
		o.Client, o.Server, o.Cost, o.Share = none, none, none, unknown("ratio", err.Error())
		return o
	}
	client, server := s.clientServed/float64(s.clientN), s.serverTook/float64(s.serverN)
	o.Client, o.Server, o.Cost = known(client, "s"), known(server, "s"), known(client-server, "s")
	o.Share = known((client-server)/client, "ratio")
	return o
}

// warning tells of a cost above OverheadLimit, at a scale of the simulated
// server. There is no smaller scale than 1 to advise.
func (o Overhead) warning(scale float64) (results.Warning, bool) {
	if !o.Share.Known() || *o.Share.Number <= OverheadLimit {
		return results.Warning{}, false
	}
	text := fmt.Sprintf("HTTP and the client took %s of server time of the %s between sending and answer (%.0f %%), which the model knows nothing of",
		units.Format(*o.Cost.Number, units.Seconds), units.Format(*o.Client.Number, units.Seconds), *o.Share.Number*100)
	if scale > 1 {
		text += ": let the simulated server run at a smaller scale"
	}
	return results.Warning{Code: "http-cost", Text: text, Count: 1}, true
}
