// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub sign: a signature that a kernel under Secure Boot wants to see. The cryptography is sbsign's or osslsigncode's;
 * here is what must be right around it: one signature and not two, of which the kernel would look at the older one, over
 * an image that is whole, in place of the file when all of that was checked.
 *
 * A distribution that keeps its keys elsewhere takes the digest out and puts the signature in: no key, no other program.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/load/pe.h"
#include "tools/load/trust.h"
#include "tools/media/outfile.h"
#include "tools/util.h"

static struct {
	const char *key, *cert, *attach, *output, *image;
	bool digest, strip;
} given;

static const struct arg options[] = {
	{ "key", 'k', "FILE", "Sign with this private key (PEM)", &given.key, NULL },
	{ "cert", 'c', "FILE", "... and this certificate of it (PEM)", &given.cert, NULL },
	{ "output", 'o', "FILE", "Write to FILE instead of IMAGE", &given.output, NULL },
	{ "digest", 'd', NULL, "Print the SHA-256 digest that a signature has to be made of", &given.digest, NULL },
	{ "attach", 'a', "FILE", "Put in a signature that was made elsewhere (PKCS #7, DER)", &given.attach, NULL },
	{ "strip", 's', NULL, "Take the signature out", &given.strip, NULL },
	{ 0 }
};

static void check_usage(struct argp_state *state)
{
	if ((given.key || given.cert) + !!given.attach + given.digest + given.strip != 1)
		argp_error(state, "one of --key with --cert, --digest, --attach, --strip");
	if (!given.key != !given.cert)
		argp_error(state, "--key and --cert belong together");
	if (given.digest && given.output)
		argp_error(state, "--digest writes no file");
}

static const struct args args = {
	.options = options, .paths = &given.image, .max = 1,
	.usage = "[IMAGE]", .too_many = "one IMAGE at a time", .check = check_usage,
	.doc = "Sign the stub, so that a kernel under Secure Boot loads it. Without IMAGE: the one that was installed. A signature "
	       "that is there is replaced.",
};

/* No such program: 127 */
static int run(char *const argv[])
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(argv[0], argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* The file @from signed as @to, by the program that is there */
static int run_signer(const char *from, const char *to)
{
	char *const sbsign[] = { "sbsign", "--key", (char *)given.key, "--cert", (char *)given.cert, "--output", (char *)to,
				 (char *)from, NULL };
	char *const ossl[] = { "osslsigncode", "sign", "-h", "sha256", "-key", (char *)given.key, "-certs", (char *)given.cert,
			       "-in", (char *)from, "-out", (char *)to, NULL };
	char *const *used = sbsign;
	int status = run(sbsign);

	if (status == 127) {
		used = ossl;
		status = run(ossl);
	}
	if (status == 127)
		return fail(-ENOENT, "there is neither sbsign nor osslsigncode: install the package sbsigntool or osslsigncode");
	if (status)
		return fail(-EIO, "%s did not sign: see its message above", used[0]);
	return 0;
}

static int write_whole(const char *path, const void *data, size_t size)
{
	FILE *f = fopen(path, "wex");
	bool good = f && fwrite(data, 1, size, f) == size;

	if (f && fclose(f))
		good = false;
	return good ? 0 : fail(-EIO, "%s: %m", path);
}

/* The first signature that a signing program puts into @bare. *ret_sig lies in *ret_file, which is for free(). */
static int make_signature(const uint8_t *bare, size_t size, char **ret_file, const uint8_t **ret_sig, size_t *ret_len)
{
	const char *tmp = getenv("TMPDIR");
	char dir[PATH_MAX], from[PATH_MAX + 8], to[PATH_MAX + 8];
	struct pe pe;
	size_t len;
	int rc;

	snprintf(dir, sizeof(dir), "%s/capstub-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return fail(-errno, "%s: %m", dir);
	snprintf(from, sizeof(from), "%s/bare", dir);
	snprintf(to, sizeof(to), "%s/signed", dir);
	rc = write_whole(from, bare, size);
	if (!rc)
		rc = run_signer(from, to);
	if (!rc) {
		*ret_file = read_file("", to, &len);
		*ret_sig = *ret_file && !pe_read(&pe, *ret_file, len) ? pe_signature(&pe, ret_len) : NULL;
		if (!*ret_sig)
			rc = fail(-EIO, "the signing program left no signature that can be read");
	}
	unlink(from);
	unlink(to);
	rmdir(dir);
	return rc;
}

/* In place of @path when it is whole; readable by whoever could read the image */
static int write_image(const char *path, const void *data, size_t size)
{
	char dir_copy[PATH_MAX], name_copy[PATH_MAX];
	const char *dir, *name;
	struct stat st;
	int fd, rc;

	if (stat(given.image, &st))
		return fail(-errno, "%s: %m", given.image);
	snprintf(dir_copy, sizeof(dir_copy), "%s", path);
	snprintf(name_copy, sizeof(name_copy), "%s", path);
	dir = dirname(dir_copy);
	name = basename(name_copy);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(-errno, "%s: %m", dir);
	rc = outfile_write(fd, dir, name, true, data, size);
	if (!rc && fchmodat(fd, name, st.st_mode & 0777, 0))
		rc = fail(-errno, "%s: %m", path);
	close(fd);
	return rc;
}

static void print_digest(const struct pe *pe)
{
	uint8_t digest[SHA256_SIZE];

	pe_digest(pe, digest);
	for (unsigned i = 0; i < SHA256_SIZE; i++)
		printf("%02x", digest[i]);
	putchar('\n');
}

static int put_signature(const struct pe *pe, const uint8_t *sig, size_t len)
{
	const char *path = given.output ? given.output : given.image;
	char text[PATH_MAX + 160];
	struct stub_image img;
	enum trust trust;
	uint8_t *out;
	size_t size;
	int rc;

	if (sig && !pe_signature_fits(pe, sig, len))
		return fail(-EINVAL, "that is no signature of %s with SHA-256: its digest is another one than --digest prints", given.image);
	out = pe_with_signature(pe, sig, len, &size);
	rc = write_image(path, out, size);
	free(out);
	if (rc)
		return rc;
	rc = stub_image_read(&img, path);
	if (!rc) {
		trust = trust_look(&img, "", text, sizeof(text));
		puts(text);
		if (trust == TRUST_UNKNOWN && (kernel_locked("") || secure_boot("")))
			printf("To use it here, %s\n", trust_enrol(""));
	}
	stub_image_free(&img);
	return rc;
}

static int sign(const struct stub_image *img)
{
	char *file = NULL;
	const uint8_t *sig = NULL;
	uint8_t *bare = NULL;
	size_t len = 0, size;
	struct pe pe;
	int rc;

	if (pe_read(&pe, img->file, img->file_size))
		return fail(-EINVAL, "%s has no PE header that could be signed", img->path);
	bare = pe_with_signature(&pe, NULL, 0, &size);
	pe_read(&pe, bare, size);
	if (given.digest) {
		print_digest(&pe);
		rc = 0;
	} else if (given.strip) {
		rc = put_signature(&pe, NULL, 0);
	} else if (given.attach) {
		file = read_file("", given.attach, &len);
		rc = file ? put_signature(&pe, (uint8_t *)file, len) : fail(-errno, "%s: %m", given.attach);
	} else {
		rc = make_signature(bare, size, &file, &sig, &len);
		if (!rc)
			rc = put_signature(&pe, sig, len);
	}
	free(file);
	free(bare);
	return rc;
}

int sign_main(int argc, char **argv)
{
	struct stub_image img;
	int rc;

	args_parse(&args, argc, argv);
	if (!given.image)
		given.image = default_image();
	rc = stub_image_read(&img, given.image);
	if (!rc)
		rc = sign(&img);
	stub_image_free(&img);
	return rc ? EXIT_FAILED : EXIT_OK;
}
