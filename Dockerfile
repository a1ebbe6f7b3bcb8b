# One image for every part: docker run … pushnote-server …
FROM rust:1-slim-bookworm AS build
WORKDIR /source
COPY . .
# Crates and what was built of them stay from one build to the next, outside the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/source/target \
    cargo build --release --locked --bins && \
    install -D --strip --target-directory=/built target/release/pushnote target/release/pushnote-mq target/release/pushnote-server

FROM debian:bookworm-slim
# A number, so that an orchestrator sees that it is not root; what it keeps (--data-dir) belongs to it.
RUN install -d -o 65532 -g 65532 -m 700 /var/lib/pushnote
COPY --from=build /built/ /usr/local/bin/
USER 65532:65532
VOLUME /var/lib/pushnote
EXPOSE 8080 8001 8002
STOPSIGNAL SIGTERM
# Of a server on its own port; a forwarder is asked at its --metrics.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["pushnote", "health"]
CMD ["pushnote", "--help"]
