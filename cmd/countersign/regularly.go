package main

import (
	"context"
	"time"
)

// regularly does something after each interval, until ctx ends.
func regularly(ctx context.Context, interval time.Duration, do func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}
