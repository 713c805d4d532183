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
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"go.yaml.in/yaml/v4"

	"github.com/countersign/countersign"
	"github.com/countersign/countersign/config"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/setup"
	"github.com/countersign/countersign/store"
)

const setupHelp = `countersign setup registers the GitHub App, on github.com or Enterprise Server.

It serves a page on this machine that sends you to GitHub with what the App asks for. GitHub
sends you back with its credentials, which are put into a folder: readable for you alone, and
read by serve, which needs no other setting of the App then. With --print they are printed as
environment instead, and in no file. docs/setup.md says more.

The same page is at /setup of a server that is started without an App.

example:
  countersign setup --org acme --public-url https://countersign.example.com`

func runSetup(ctx context.Context, args []string, env environment) error {
	flags := newFlags("setup", env.stderr, setupHelp)
	org := flags.String("org", "", "`login` of the organisation that is to own the App")
	public := flags.String("public-url", env.getenv("COUNTERSIGN_PUBLIC_URL"), "`URL` at which GitHub will reach the server")
	folder := flags.String("folder", cmp.Or(env.getenv("COUNTERSIGN_APP_FOLDER"), "countersign-app"), "`folder` for the App's credentials")
	listen := flags.String("listen", "127.0.0.1:0", "`address` of the page")
	asEnvironment := flags.Bool("print", false, "print the credentials as environment, and write no files")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if !strings.HasPrefix(*public, "https://") && !strings.HasPrefix(*public, "http://") {
		return errors.New("it is not known where GitHub will reach the server\nhint: give --public-url https://HOST, or COUNTERSIGN_PUBLIC_URL")
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("the page of setup: %w", err)
	}
	self := "http://" + listener.Addr().String()
	f := registering{
		webURL: cmp.Or(env.getenv("GITHUB_WEB_URL"), "https://github.com"), organisation: *org,
		publicURL: strings.TrimSuffix(*public, "/"), self: self, folder: *folder,
		github: gh.Settings{V3URL: env.getenv("GITHUB_V3_API_URL"), V4URL: env.getenv("GITHUB_V4_API_URL"), UserAgent: "countersign/" + version},
		told:   func(err error) { fmt.Fprintln(env.stderr, "countersign setup:", err) },
	}
	if *asEnvironment {
		f.print = env.stdout
	}
	app, err := f.run(ctx, listener, nil, func(token string) {
		fmt.Fprintf(env.stderr, "Open %s%s in a browser on this machine, and enter this token there:\n\n  %s\n\n", self, setup.Path, token)
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "The App %s is registered. Install it: %s/installations/new\nThen start countersign serve; GitHub's ping, which could not arrive yet, is asked for again, and countersign doctor shows whether it arrived.\n", app.Slug, app.HTMLURL)
	return nil
}

// registering is one registration of an App.
type registering struct {
	webURL, organisation string
	publicURL            string // where the server will be
	self                 string // where the pages are
	folder               string
	github               gh.Settings
	print                io.Writer // the credentials go there; nil: into the folder
	told                 func(error)
}

// run serves the pages until an App is registered and its credentials are kept, or ctx ends.
func (f registering) run(ctx context.Context, listener net.Listener, secure *tls.Config, tell func(token string)) (gh.Registered, error) {
	done := make(chan gh.Registered, 1)
	token, err := setup.NewToken()
	if err == nil && f.print == nil {
		err = usableFolder(f.folder) // before anything is registered that could not be kept
	}
	var pages *setup.Setup
	if err == nil {
		pages, err = setup.New(setup.Settings{
			WebURL: f.webURL, Organisation: f.organisation, Token: token, Now: time.Now,
			Manifest: func(name string) ([]byte, error) {
				return countersign.Registration(name, f.publicURL+handlers.HookPath, f.publicURL+config.CallbackPath, f.self+setup.CallbackPath)
			},
			Complete: func(ctx context.Context, code string) (gh.Registered, error) {
				return gh.CompleteRegistration(ctx, f.github, code)
			},
			Keep: f.keep, Told: f.told, Done: func(app gh.Registered) { done <- app },
		})
	}
	if err != nil {
		return gh.Registered{}, errors.Join(err, listener.Close())
	}
	mux := http.NewServeMux()
	mux.Handle(setup.Path, pages.Routes())
	mux.Handle(setup.CallbackPath, pages.Routes())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, `{"alive":true}`) })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 64 << 10, TLSConfig: secure}
	served := make(chan error, 1)
	go func() {
		if secure != nil {
			served <- server.ServeTLS(listener, "", "")
			return
		}
		served <- server.Serve(listener)
	}()
	tell(token)
	var app gh.Registered
	select {
	case app = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	case err = <-served:
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return app, errors.Join(err, server.Shutdown(grace)) // the last page is sent first
}

// usableFolder makes the folder, and refuses one that has an App already or cannot be written.
func usableFolder(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("the folder for the App's credentials: %w", err)
	}
	if have, err := os.ReadDir(folder); err != nil || len(have) > 0 {
		return errors.Join(err, fmt.Errorf("the folder %s is not empty: it may hold an App's credentials\nhint: name another one, or move what is in it away", folder))
	}
	probe := filepath.Join(folder, ".probe")
	if err := writeOnce(probe, ""); err != nil {
		return fmt.Errorf("the folder for the App's credentials: %w", err)
	}
	return os.Remove(probe)
}

// keep writes the credentials. What says that they are there is written last.
func (f registering) keep(app gh.Registered) (string, error) {
	if f.print != nil {
		_, err := fmt.Fprintf(f.print, "export GITHUB_APP_INTEGRATION_ID=%d\nexport GITHUB_APP_WEBHOOK_SECRET=%s\nexport GITHUB_OAUTH_CLIENT_ID=%s\nexport GITHUB_OAUTH_CLIENT_SECRET=%s\nexport GITHUB_APP_PRIVATE_KEY=%s\n",
			app.ID, quoted(app.WebhookSecret), quoted(app.ClientID), quoted(app.ClientSecret), quoted(strings.TrimSpace(app.PrivateKey)))
		return "Its credentials were printed where the program runs, and are in no file.", err
	}
	about := config.AppFile{IntegrationID: app.ID, Slug: app.Slug, PrivateKeyFile: "private-key.pem", WebhookSecretsFile: "webhook-secret", ClientID: app.ClientID, ClientSecretFile: "client-secret"}
	text, err := yaml.Marshal(about)
	if err != nil {
		return "", err
	}
	for _, file := range []struct{ name, text string }{
		{about.PrivateKeyFile, app.PrivateKey}, {about.WebhookSecretsFile, app.WebhookSecret + "\n"}, {about.ClientSecretFile, app.ClientSecret + "\n"}, {config.AppFileName, string(text)},
	} {
		if err := writeOnce(filepath.Join(f.folder, file.name), file.text); err != nil {
			return "", err
		}
	}
	return "Its credentials are in the folder " + f.folder + ": back it up, with nobody else's eyes on it.", nil
}

// quoted is a text as a shell takes it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// firstStart serves /setup alone until an App is registered, where serve is started without one for
// the first time. A server that ran before lost its settings, and says so instead.
func firstStart(ctx context.Context, file string, env environment) (bool, error) {
	cfg, ok := config.FirstStart(file, env.getenv, os.ReadFile)
	if !ok || !errors.Is(store.Exists(ctx, cfg.DatabaseURL), store.ErrNotFound) {
		return false, nil
	}
	level, err := zerolog.ParseLevel(cfg.LogLevel)
	if err != nil {
		return false, err
	}
	log := zerolog.New(env.stderr).Level(level).With().Timestamp().Logger()
	var secure *tls.Config
	if cfg.TLSCertificateFile != "" {
		pair, err := tls.LoadX509KeyPair(cfg.TLSCertificateFile, cfg.TLSKeyFile)
		if err != nil {
			return false, fmt.Errorf("TLS certificate: %w", err)
		}
		secure = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return false, fmt.Errorf("listen at %s: %w", cfg.Listen, err)
	}
	f := registering{
		webURL: cfg.GitHub.WebURL, publicURL: cfg.PublicURL, self: cfg.PublicURL, folder: cfg.AppFolder,
		github: gh.Settings{V3URL: cfg.GitHub.V3APIURL, V4URL: cfg.GitHub.V4APIURL, UserAgent: "countersign/" + version},
		told:   func(err error) { log.Error().Err(err).Msg("setup") },
	}
	app, err := f.run(ctx, listener, secure, func(token string) {
		log.Warn().Stringer("listen", listener.Addr()).Str("open", cfg.PublicURL+setup.Path).Str("token", token).
			Msg("there is no App yet, so only its setup is served: open the page and enter the token")
	})
	if err != nil {
		return false, err
	}
	log.Info().Int64("app", app.ID).Str("slug", app.Slug).Str("folder", cfg.AppFolder).Msg("the App is registered; the server goes on with it")
	return true, nil
}
