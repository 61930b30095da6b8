# evabench with NVML, in an image that runs as nobody special.
#
#   docker build --build-arg VERSION=v1.0.0 -t evabench:v1.0.0 .
#   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" evabench:v1.0.0 sweep pro6000x1 --yes
#   docker run --rm --gpus all evabench:v1.0.0 gpu inspect
#
# The second line drives a simulated server, the third looks at real cards. To change cards from a
# container takes root, the host's processes and the state folder (and often --privileged): the
# program on the host is simpler. See docs/security.md for what needs what.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=devel
# No git within: the version is the argument's.
RUN make build licences VERSION="$VERSION"

# The same release as the builder's: the build with NVML needs its glibc. The driver's
# library comes from the host, by the NVIDIA Container Toolkit.
FROM debian:bookworm-slim
RUN groupadd --gid 10001 evabench && useradd --uid 10001 --gid 10001 --create-home evabench \
    && install -d -o evabench -g evabench /work
COPY --from=build /src/bin/evabench /usr/local/bin/evabench
COPY --from=build /src/LICENSE /src/bin/THIRD-PARTY.txt /usr/share/doc/evabench/
ENV NVIDIA_DRIVER_CAPABILITIES=utility,compute
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["evabench"]
CMD ["--help"]
