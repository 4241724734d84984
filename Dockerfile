# The image of every role: `docker build -t callcov-webhook-receiver .`; docker-compose.yml shows how it is run.
# No `# syntax` line: it would fetch a frontend image, which a machine without a way to the registry cannot.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Optional are a Node carried by npm, which the image has already, and a native part of BullMQ's, which is only faster.
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund
COPY src src
COPY handlers handlers
# Whatever the umask and the file modes of the machine that builds: readable for every user, writable for root only.
RUN chmod -R u=rwX,go=rX package.json src handlers && chmod a+x src/main.ts

FROM node:24-bookworm-slim
# ADMIN_HOST: in a container the loopback is out of everybody's reach; publish this port on the host's loopback only.
ENV NODE_ENV=production ADMIN_HOST=0.0.0.0
WORKDIR /app
# What changes least comes first, so that a new version of the service is a small layer.
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/package.json ./
COPY --from=build /app/handlers handlers
COPY --from=build /app/src src
# For `docker exec <container> callcov-receiver <command>`.
RUN ln -s /app/src/main.ts /usr/local/bin/callcov-receiver
# By number, so that Kubernetes can tell that it is not root (runAsNonRoot). It owns nothing here: the service
# writes no file, and so runs with --read-only --cap-drop ALL --security-opt no-new-privileges.
USER 10001:10001
EXPOSE 8080 8081
# The private listener is there in every role. Redis is not asked: restarting this container would not mend it.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.ADMIN_PORT || 8081}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Without a shell or npm in front: SIGTERM must reach the service itself. Without the limit, full load takes 90 MB more.
CMD ["node", "--max-semi-space-size=16", "src/main.ts"]
