# `tfgan2 serve` without TensorFlow; docs/serve.md shows how to build and run it.
FROM python:3.12-slim AS build
WORKDIR /source
RUN ["python", "-m", "venv", "--without-pip", "/venv"]
COPY serve-requirements.txt ./
RUN ["pip", "--python", "/venv", "install", "--no-cache-dir", "--requirement", "serve-requirements.txt"]
COPY pyproject.toml setup.py README.md LICENSE ./
COPY tfgan2 tfgan2
# --no-deps leaves TensorFlow out, which serving does not need.
RUN ["pip", "--python", "/venv", "install", "--no-cache-dir", "--no-deps", "."]

FROM python:3.12-slim
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER 65534:65534
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["tfgan2", "serve", "--host", "0.0.0.0"]
CMD ["pretrained:digits"]
