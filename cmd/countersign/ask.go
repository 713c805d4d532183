package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// ownToken is the token of the person who runs a command; how is the command, for the hint.
func ownToken(env environment, how string) (string, error) {
	token := env.getenv("GITHUB_TOKEN")
	if file := env.getenv("GITHUB_TOKEN_FILE"); token == "" && file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("GITHUB_TOKEN_FILE: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	if token == "" {
		return "", errors.New("GITHUB_TOKEN is not set\nhint: GITHUB_TOKEN=$(gh auth token) countersign " + how)
	}
	return token, nil
}

// serverAddress refuses a server to which a person's token would travel unprotected.
func serverAddress(server string) (string, error) {
	u, err := url.Parse(strings.TrimSuffix(server, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return "", fmt.Errorf("--server %q is not an address\nhint: write https://HOST", server)
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return "", fmt.Errorf("--server %q would take your token without TLS\nhint: use https", server)
	}
	return u.String(), nil
}

// postAs sends a request with a person's own token and reads the answer. It follows no redirect:
// the token is for this server.
func postAs(ctx context.Context, address, token string, ask, answer any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %d: %s", resp.StatusCode, strings.TrimSpace(string(text)))
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the server's answer: %w", err)
	}
	return nil
}
