#!/usr/bin/env perl
# Net::LDAP: bind, say who that made us, look up u1, read the schema.
#   bind.pl URL DIGEST-MD5|simple USER-OR-DN PASSWORD [HOST-FOR-DIGEST-URI]
# The environment may name an SSF that the layer must have (default 0: none), and the DN of an entry whose description is LONG.
# It may name a CA to trust, the path of a PEM file, and with START_TLS has TLS begun before the bind.
# The exit status is the result code of what went wrong, which is told on standard error.
# Of two ciphers with the same SSF the one whose module is named in WITHOUT (Crypt/DES.pm) is not taken.
use strict;
use warnings;

BEGIN {
    my $without = $ENV{WITHOUT} // '';
    unshift @INC, sub { die "$without is left out\n" if $_[1] eq $without; return };
    # The name that Authen::SASL knows the cipher by is not the one Debian has it under; the third key is the first.
    if (!eval { require Crypt::DES3 } && eval { require Crypt::DES_EDE3 }) {
        $INC{'Crypt/DES3.pm'} = __FILE__;
        no warnings 'once';
        *Crypt::DES3::new = sub { return Crypt::DES_EDE3->new($_[1] . substr $_[1], 0, 8) };
    }
}
use Authen::SASL qw(Perl);    # its own implementation, not the one by Cyrus
use Net::LDAP;
use Net::LDAP::Extension::WhoAmI;

my ($url, $mechanism, $user, $password, $host) = @ARGV;    # octets in UTF-8: to hash characters is an error

sub done {
    my ($message) = @_;
    return $message unless $message->code;
    print STDERR $message->code, ' ', $message->error, "\n";
    exit $message->code;
}

my %tls = $ENV{CA} ? (verify => 'require', cafile => $ENV{CA}) : ();
my $ldap = Net::LDAP->new($url, timeout => 10, %tls) or die "$@\n";
done($ldap->start_tls(%tls)) if $ENV{START_TLS};
if ($mechanism eq 'simple') {
    done($ldap->bind($user, password => $password));
} else {
    my $sasl = Authen::SASL->new(mechanism => $mechanism, callback => { user => $user, pass => $password });
    my $client = $sasl->client_new('ldap', $host // $ldap->host);
    my $ssf = $ENV{SSF} // 0;    # left alone it takes the strongest layer
    $client->property(minssf => $ssf, maxssf => $ssf);
    done($ldap->bind('', sasl => $client));
}
print 'who: ', done($ldap->who_am_i)->response, "\n";
my $found = done($ldap->search(base => 'dc=contoso,dc=com', filter => '(uid=u1)', attrs => ['mail']));
print 'found: ', $_->dn, ' ', $_->get_value('mail'), "\n" for $found->entries;
if (my $dn = $ENV{LONG}) {
    my $long = done($ldap->search(base => $dn, scope => 'base', filter => '(objectClass=*)'));
    print 'long: ', length($long->entry(0)->get_value('description')), "\n";
}
my $schema = $ldap->schema or die "no schema\n";
print 'schema: ', join(' ', sort map { $_->{name} } $schema->must('inetOrgPerson')), "\n";
$ldap->unbind;
