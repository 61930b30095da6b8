package page

import (
	"net/http"
	"sync"
	"time"
)

// What all viewers together are answered: the page asks once a second. More would take
// processors from the load, which is made in the same process.
const (
	answersPerSecond = 20
	answersAtOnce    = 40 // after a pause; a viewer who comes asks four times
	// refusedAfter holds a refusal, and so one of the connections, so that who asks
	// in a loop does not do so faster by making new ones.
	refusedAfter = 250 * time.Millisecond
)

// A limiter counts tokens, one an answer. It is safe for concurrent use.
type limiter struct {
	mu     sync.Mutex
	tokens float64
	at     time.Time
}

func newLimiter() *limiter { return &limiter{tokens: answersAtOnce, at: time.Now()} }

// take takes a token if there is one.
func (l *limiter) take(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = min(answersAtOnce, l.tokens+max(0, now.Sub(l.at).Seconds())*answersPerSecond)
	l.at = now
	if l.tokens < 1 {
		return false
	}
	l.tokens--
	return true
}

// limited refuses requests beyond what the limiter gives, and ends their connections.
func limited(next http.Handler, l *limiter) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.take(time.Now()) {
			next.ServeHTTP(w, r)
			return
		}
		hold := time.NewTimer(refusedAfter)
		defer hold.Stop()
		select {
		case <-hold.C:
		case <-r.Context().Done():
		}
		w.Header().Set("Connection", "close")
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many requests: the page is made beside the load, and asked for once a second", http.StatusTooManyRequests)
	})
}
