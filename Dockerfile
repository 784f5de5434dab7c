# Both images can be replaced, for a mirror or to pin a digest.
ARG GO=golang:1.26-bookworm
ARG BASE=gcr.io/distroless/static-debian12:nonroot

# The compiler runs on the builder's own platform and crosses over: no emulation.
FROM --platform=$BUILDPLATFORM ${GO} AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=devel
ARG REVISION=
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd cmd
COPY proxy proxy
COPY policy policy
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath \
    -ldflags "-s -w -X main.version=${VERSION} -X main.revision=${REVISION}" \
    -o /fender ./cmd/fender

FROM ${BASE}
COPY --from=build /fender /fender
# By number, so that a cluster can verify runAsNonRoot.
USER 65532:65532
# The metrics listener. The proxy's own address is loopback: the pod shares it.
EXPOSE 9102
ENTRYPOINT ["/fender"]
