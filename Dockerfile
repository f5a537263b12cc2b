# Nothing here is built for one architecture: linux/amd64 and linux/arm64 are what the base image has.
FROM node:26-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# No package needs its install script here; one of them would download a node of its own.
RUN ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN ["npm", "run", "build"]

FROM node:26-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN ["npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]

FROM node:26-bookworm-slim
ENV NODE_ENV=production CA_DIR=/ca CACHE_DIR=/docker_mirror_cache
# A new volume takes over its owner and mode from here. 1000 is the user "node" of the base image; the number, so that a
# cluster that wants runAsNonRoot can see it.
RUN ["install", "--directory", "--owner=1000", "--group=1000", "--mode=0700", "/ca", "/docker_mirror_cache"]
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
USER 1000:1000
VOLUME ["/ca", "/docker_mirror_cache"]
EXPOSE 3128
# PORT may hold several.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${(process.env.PORT || '3128').trim().split(/[\\s,]+/)[0]}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/main.js"]
