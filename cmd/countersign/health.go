package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

const healthHelp = `countersign health asks a server on this machine whether it is alive, and exits with 1 if it is
not: for containers that hold no shell and no curl. It finds the server by the settings in the
environment, as serve does; give --url if they are in a file.

example: countersign health --url http://127.0.0.1:8080`

// healthPatience is how long the server may take to answer.
const healthPatience = 5 * time.Second

func runHealth(ctx context.Context, args []string, env environment) error {
	flags := newFlags("health", env.stderr, healthHelp)
	address := flags.String("url", "", "`address` of the server, without a path")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *address == "" {
		var err error
		if *address, err = localAddress(env.getenv); err != nil {
			return err
		}
	}
	return askHealth(ctx, *address)
}

// localAddress is where a server with these settings is reached from the machine that it runs on.
func localAddress(getenv func(string) string) (string, error) {
	host, port, err := net.SplitHostPort(cmp.Or(getenv("COUNTERSIGN_LISTEN"), ":8080"))
	if err != nil {
		return "", fmt.Errorf("COUNTERSIGN_LISTEN: %w\nhint: write host:port, or give --url", err)
	}
	switch ip, err := netip.ParseAddr(host); {
	case host == "" || err == nil && ip.Is4() && ip.IsUnspecified():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	scheme := "http"
	if getenv("COUNTERSIGN_TLS_CERTIFICATE_FILE") != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

// askHealth asks /healthz. Whose certificate answers is not checked: it is made for the public name
// and not for this machine's, nothing is told to the server, and what it says is only that it runs.
func askHealth(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	path, err := url.JoinPath(address, "healthz")
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		return fmt.Errorf("--url: %w", err)
	}
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<10))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server at %s answers %d instead of 200", address, resp.StatusCode)
	}
	return nil
}
