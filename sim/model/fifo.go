package model

import "slices"

// A fifo is a queue that keeps its memory. The zero fifo is empty.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int { return len(q.items) - q.head }

// all are the items, first to last; valid until the next change.
func (q *fifo[T]) all() []T { return q.items[q.head:] }

func (q *fifo[T]) push(x T) {
	if len(q.items) == cap(q.items) && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, x)
}

func (q *fifo[T]) pushFront(x T) {
	if q.head == 0 {
		q.items = slices.Insert(q.items, 0, x)
		return
	}
	q.head--
	q.items[q.head] = x
}

func (q *fifo[T]) pop() T {
	var none T
	x := q.items[q.head]
	q.items[q.head] = none
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return x
}

// popBack takes the last item.
func (q *fifo[T]) popBack() T {
	var none T
	last := len(q.items) - 1
	x := q.items[last]
	q.items[last] = none
	q.items = q.items[:last]
	if q.head == last {
		q.items, q.head = q.items[:0], 0
	}
	return x
}

func (q *fifo[T]) remove(is func(T) bool) {
	q.items = append(q.items[:q.head], slices.DeleteFunc(q.items[q.head:], is)...)
}
