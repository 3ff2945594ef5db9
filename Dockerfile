# The kvspec command and nothing else: docker run --rm --network host kvspec run --endpoints http://127.0.0.1:2379
FROM rust:1-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates protobuf-compiler libprotobuf-dev
WORKDIR /kvspec
COPY . .
ARG PROFILE=release
RUN cargo install --locked --path . --features power-loss,redis --profile "$PROFILE" --root /root-of-image/usr/local
# The program with the libraries that it is linked to, the authorities that it trusts, and a folder for what it writes.
RUN mkdir -p /root-of-image/work /root-of-image/tmp && chmod 1777 /root-of-image/work /root-of-image/tmp \
    && rm /root-of-image/usr/local/.crates* \
    && ldd /root-of-image/usr/local/bin/kvspec | grep -o '/[^ ]*' | xargs -I '{}' cp --parents --dereference '{}' /root-of-image \
    && cp --parents --dereference /etc/ssl/certs/ca-certificates.crt /root-of-image

FROM scratch
COPY --from=build /root-of-image /
ENV PATH=/usr/local/bin
USER 65534:65534
WORKDIR /work
ENTRYPOINT ["kvspec"]
CMD ["run"]
