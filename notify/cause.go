package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// cause says why a receiver could not be reached, without a word of where it is: what net/http and
// below it say holds the address, or its host.
func cause(err error) error {
	var slow net.Error
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var number syscall.Errno
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.As(err, &slow) && slow.Timeout():
		return errors.New("no answer in time")
	case errors.As(err, &name):
		return errors.New("its name is not known")
	case errors.As(err, &certificate):
		return errors.New("its certificate cannot be trusted")
	case errors.As(err, &number):
		return number
	}
	return errors.New("the connection failed")
}
