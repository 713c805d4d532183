# The image of Countersign: its two programs, the certificates that TLS needs, and nothing else.
# How it is run: docs/install.md. The Go is the one that go.mod names, which a test compares.
FROM --platform=$BUILDPLATFORM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
ARG VERSION=dev
# The same target as a release, so these are the same bytes.
RUN make binaries OS=$TARGETOS ARCH=$TARGETARCH VERSION=$VERSION OUT=/programs
# For the database where it is SQLite, the signing key where the server makes it, and what is on its way.
RUN install -d -m 0700 /folders/data && install -d -m 1777 /folders/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /programs/ /usr/local/bin/
COPY --from=build --chown=65532:65532 /folders/ /
VOLUME /data
WORKDIR /data
USER 65532:65532
EXPOSE 8080
# The start may have to bring a large database to this version first.
HEALTHCHECK --interval=30s --timeout=10s --start-period=5m CMD ["/usr/local/bin/countersign", "health"]
ENTRYPOINT ["/usr/local/bin/countersign"]
CMD ["serve"]
