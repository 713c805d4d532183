package web

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/countersign/countersign/store"
)

const (
	// sessionLasts is how long somebody stays signed in, at most.
	sessionLasts = 12 * time.Hour
	// lookEvery is how long what GitHub lets somebody see is taken for true.
	lookEvery = 5 * time.Minute
)

// cookieName names the cookie of a session. Over https browsers send it back to this host alone.
func (s *Site) cookieName() string {
	if s.secure {
		return "__Host-countersign"
	}
	return "countersign"
}

func (s *Site) cookie(name, value, path string, lasts time.Duration) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: path, MaxAge: int(lasts / time.Second), Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// newSecret is 256 random bits, as they go into a cookie or a link.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// known is what the database knows of a secret.
func known(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// begin signs somebody in with this browser.
func (s *Site) begin(ctx context.Context, w http.ResponseWriter, session store.Session, token []byte) (store.Session, string, error) {
	secret := newSecret()
	sealed, err := seal(secret, token)
	if err != nil {
		return session, "", err
	}
	session.ID, session.Token = known(secret), sealed
	if latest := s.Now().Add(sessionLasts); session.ExpiresAt.IsZero() || session.ExpiresAt.After(latest) {
		session.ExpiresAt = latest
	}
	if err := s.Store.BeginSession(ctx, session); err != nil {
		return session, "", err
	}
	http.SetCookie(w, s.cookie(s.cookieName(), secret, "/", session.ExpiresAt.Sub(s.Now())))
	return session, secret, nil
}

// session is who a request comes from. It returns ErrNotFound for nobody, and ErrSignedOut when the
// person has signed out at GitHub, or lost everything that they saw. What a person sees is asked of
// GitHub again from time to time: what GitHub does not say is not shown.
func (s *Site) session(r *http.Request) (store.Session, error) {
	c, err := r.Cookie(s.cookieName())
	if err != nil {
		return store.Session{}, store.ErrNotFound
	}
	session, err := s.Store.Session(r.Context(), known(c.Value))
	if err != nil || session.GrantID != "" || s.Now().Sub(session.LookedAt) < lookEvery {
		return session, err
	}
	_, err, _ = s.looks.Do(session.ID, func() (any, error) { return nil, s.look(context.WithoutCancel(r.Context()), c.Value) })
	return session, err
}

// look asks GitHub what a person sees. Two at a time would use one refresh token twice, which
// GitHub takes for a theft, so the session is read again by the one that goes.
func (s *Site) look(ctx context.Context, secret string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	session, err := s.Store.Session(ctx, known(secret))
	if err != nil || s.Now().Sub(session.LookedAt) < lookEvery {
		return err
	}
	if s.GitHub == nil {
		return fmt.Errorf("%w: sign-in is not set up any more", ErrSignedOut)
	}
	token, err := unseal(secret, session.Token)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignedOut, err)
	}
	sights, err := s.GitHub.Look(ctx, Person{session.PersonID, session.Login, token}, func(token []byte) error {
		sealed, err := seal(secret, token)
		if err != nil {
			return err
		}
		return s.Store.Renewed(ctx, session.ID, sealed)
	})
	switch {
	case errors.Is(err, ErrSignedOut):
		return s.signedOut(ctx, session, err)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrSilent, err)
	}
	return s.Store.Saw(ctx, session.ID, sights)
}

// signedOut ends a session whose token GitHub refuses. Another process may have renewed the token
// meanwhile, which makes this one worthless: then that one's look counts.
func (s *Site) signedOut(ctx context.Context, used store.Session, cause error) error {
	now, err := s.Store.Session(ctx, used.ID)
	if err == nil && !bytes.Equal(now.Token, used.Token) {
		return nil
	}
	return errors.Join(cause, s.Store.EndSession(ctx, used.ID))
}

// seal makes a token unreadable for who has the database but not the cookie.
func seal(secret string, token []byte) ([]byte, error) {
	if len(token) == 0 {
		return nil, nil
	}
	box, err := sealer(secret)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, box.NonceSize())
	rand.Read(nonce) // never fails
	return box.Seal(nonce, nonce, token, nil), nil
}

func unseal(secret string, sealed []byte) ([]byte, error) {
	box, err := sealer(secret)
	if err != nil {
		return nil, err
	}
	if len(sealed) < box.NonceSize() {
		return nil, errors.New("the session has no token")
	}
	return box.Open(nil, sealed[:box.NonceSize()], sealed[box.NonceSize():], nil)
}

func sealer(secret string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "countersign: a person's token", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
